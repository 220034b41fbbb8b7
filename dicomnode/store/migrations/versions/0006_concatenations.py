"""Parts of a concatenation are found by the image that they were made of.

Parts that were received before are not: they are found again once they are sent again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("instance") as instance:
        instance.add_column(
            sa.Column("concatenation_source_uid", sa.String(length=64), nullable=True)
        )
        instance.create_index(
            op.f("ix_instance_concatenation_source_uid"), ["concatenation_source_uid"]
        )


def downgrade() -> None:
    with op.batch_alter_table("instance") as instance:
        instance.drop_index(op.f("ix_instance_concatenation_source_uid"))
        instance.drop_column("concatenation_source_uid")
