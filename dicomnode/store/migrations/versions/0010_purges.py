"""What was deleted of old studies, when, why and by whom."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "purge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("results", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purge")),
    )
    op.create_index(op.f("ix_purge_study_instance_uid"), "purge", ["study_instance_uid"])
    op.create_index(op.f("ix_purge_finished_at"), "purge", ["finished_at"])
    op.create_table(
        "purged_instance",
        sa.Column("purge_id", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["purge_id"], ["purge.id"], name=op.f("fk_purged_instance_purge_id")
        ),
        sa.PrimaryKeyConstraint("purge_id", "sop_instance_uid", name=op.f("pk_purged_instance")),
    )
    op.create_index(
        op.f("ix_purged_instance_sop_instance_uid"), "purged_instance", ["sop_instance_uid"]
    )
    op.create_index(
        op.f("ix_purged_instance_series_instance_uid"), "purged_instance", ["series_instance_uid"]
    )


def downgrade() -> None:
    op.drop_table("purged_instance")
    op.drop_table("purge")
