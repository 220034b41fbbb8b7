"""Reports of what was refused."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refusal_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "published",
                "failed",
                name="summarystate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("waits_from", sa.Double(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal_report")),
        sa.UniqueConstraint(
            "source_sop_instance_uid", name=op.f("uq_refusal_report_source_sop_instance_uid")
        ),
    )
    op.create_index(op.f("ix_refusal_report_state"), "refusal_report", ["state"])
    with op.batch_alter_table("result") as result:
        result.add_column(sa.Column("refusal_report_id", sa.Integer(), nullable=True))
        result.create_foreign_key(
            op.f("fk_result_refusal_report_id"), "refusal_report", ["refusal_report_id"], ["id"]
        )
        result.create_index(op.f("ix_result_refusal_report_id"), ["refusal_report_id"])


def downgrade() -> None:
    made = "(SELECT id FROM result WHERE refusal_report_id IS NOT NULL)"
    op.execute(
        "DELETE FROM commitment_delivery WHERE delivery_id IN "
        f"(SELECT id FROM delivery WHERE result_id IN {made})"
    )
    op.execute(f"DELETE FROM delivery WHERE result_id IN {made}")
    op.execute("DELETE FROM result WHERE refusal_report_id IS NOT NULL")
    with op.batch_alter_table("result") as result:
        result.drop_index(op.f("ix_result_refusal_report_id"))
        result.drop_constraint(op.f("fk_result_refusal_report_id"), type_="foreignkey")
        result.drop_column("refusal_report_id")
    op.drop_index(op.f("ix_refusal_report_state"), "refusal_report")
    op.drop_table("refusal_report")
