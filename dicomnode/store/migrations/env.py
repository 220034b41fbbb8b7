"""Alembic's entry: migrate the database at the configured URL."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, event

from dicomnode.store.tables import Base

engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
if engine.dialect.name == "sqlite":
    # The driver would let each change of a table stand on its own: a node that is killed between
    # two of them would leave tables that no version knows. So all migrations are one transaction.

    @event.listens_for(engine, "connect")
    def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite alters tables by copying them.
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
