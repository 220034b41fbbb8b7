"""What rules ask of an instance, and what a rule says of a lesion."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("instance") as instance:
        instance.add_column(sa.Column("priority", sa.Text(), nullable=False, server_default=""))
    with op.batch_alter_table("lesion") as lesion:
        lesion.add_column(
            sa.Column("dry_run", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        lesion.add_column(sa.Column("wanted_results", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("lesion") as lesion:
        lesion.drop_column("wanted_results")
        lesion.drop_column("dry_run")
    with op.batch_alter_table("instance") as instance:
        instance.drop_column("priority")
