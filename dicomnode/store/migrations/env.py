"""Alembic's entry: migrate the database at the configured URL."""

from alembic import context
from sqlalchemy import create_engine

from dicomnode.store.tables import Base

url = context.config.get_main_option("sqlalchemy.url")
with create_engine(url).connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite alters tables by copying them.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
