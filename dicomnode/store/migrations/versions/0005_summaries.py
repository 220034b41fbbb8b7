"""Objects that hold all lesions of a series."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "summary",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
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
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_summary")),
        sa.UniqueConstraint(
            "series_instance_uid",
            "rule",
            "method",
            name=op.f("uq_summary_series_instance_uid_rule_method"),
        ),
    )
    op.create_index(op.f("ix_summary_state"), "summary", ["state"])
    with op.batch_alter_table("result") as result:
        result.alter_column("lesion_id", existing_type=sa.Integer(), nullable=True)
        result.add_column(sa.Column("summary_id", sa.Integer(), nullable=True))
        result.create_foreign_key(op.f("fk_result_summary_id"), "summary", ["summary_id"], ["id"])
        result.create_index(op.f("ix_result_summary_id"), ["summary_id"])


def downgrade() -> None:
    op.execute(
        "DELETE FROM delivery WHERE result_id IN (SELECT id FROM result WHERE lesion_id IS NULL)"
    )
    op.execute("DELETE FROM result WHERE lesion_id IS NULL")
    with op.batch_alter_table("result") as result:
        result.drop_index(op.f("ix_result_summary_id"))
        result.drop_constraint(op.f("fk_result_summary_id"), type_="foreignkey")
        result.drop_column("summary_id")
        result.alter_column("lesion_id", existing_type=sa.Integer(), nullable=False)
    op.drop_index(op.f("ix_summary_state"), "summary")
    op.drop_table("summary")
