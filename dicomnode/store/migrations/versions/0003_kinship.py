"""Which lesion stands for which, and who stated what when."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "statement",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("stated_at", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=True),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("device", sa.String(length=64), nullable=True),
        sa.Column("predecessors", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid", name=op.f("pk_statement")),
    )
    with op.batch_alter_table("lesion") as lesion:
        lesion.add_column(sa.Column("tracking_uid", sa.Text(), nullable=True))
        lesion.add_column(sa.Column("absent_seg", sa.String(length=64), nullable=True))
        lesion.add_column(sa.Column("replaced_by", sa.Integer(), nullable=True))
        lesion.add_column(
            sa.Column("unsettled", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        lesion.create_foreign_key(op.f("fk_lesion_replaced_by"), "lesion", ["replaced_by"], ["id"])
        lesion.create_index(op.f("ix_lesion_absent_seg"), ["absent_seg"])
        lesion.create_index(op.f("ix_lesion_replaced_by"), ["replaced_by"])
        lesion.create_index(op.f("ix_lesion_unsettled"), ["unsettled"])


def downgrade() -> None:
    with op.batch_alter_table("lesion") as lesion:
        lesion.drop_index(op.f("ix_lesion_unsettled"))
        lesion.drop_index(op.f("ix_lesion_replaced_by"))
        lesion.drop_index(op.f("ix_lesion_absent_seg"))
        lesion.drop_constraint(op.f("fk_lesion_replaced_by"), type_="foreignkey")
        lesion.drop_column("unsettled")
        lesion.drop_column("replaced_by")
        lesion.drop_column("absent_seg")
        lesion.drop_column("tracking_uid")
    op.drop_table("statement")
