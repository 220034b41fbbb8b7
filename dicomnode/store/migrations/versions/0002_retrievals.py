"""Images that marks wait for, to be fetched from a source."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "retrieval",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.String(length=160), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("frame_of_reference_uid", sa.String(length=64), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("refused_by", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "done",
                "refused",
                "exhausted",
                name="retrievalstate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("peer_words", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrieval")),
        sa.UniqueConstraint("wanted", name=op.f("uq_retrieval_wanted")),
    )
    op.create_index(op.f("ix_retrieval_due_at"), "retrieval", ["due_at"])
    op.create_index(op.f("ix_retrieval_series_instance_uid"), "retrieval", ["series_instance_uid"])
    op.create_index(op.f("ix_retrieval_state"), "retrieval", ["state"])
    op.create_index(op.f("ix_retrieval_study_instance_uid"), "retrieval", ["study_instance_uid"])

    op.create_table(
        "lesion_retrieval",
        sa.Column("lesion_id", sa.Integer(), nullable=False),
        sa.Column("retrieval_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lesion_id"], ["lesion.id"], name=op.f("fk_lesion_retrieval_lesion_id")
        ),
        sa.ForeignKeyConstraint(
            ["retrieval_id"], ["retrieval.id"], name=op.f("fk_lesion_retrieval_retrieval_id")
        ),
        sa.PrimaryKeyConstraint("lesion_id", "retrieval_id", name=op.f("pk_lesion_retrieval")),
    )
    op.create_index(op.f("ix_lesion_retrieval_retrieval_id"), "lesion_retrieval", ["retrieval_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_lesion_retrieval_retrieval_id"), "lesion_retrieval")

    op.drop_table("lesion_retrieval")
    op.drop_index(op.f("ix_retrieval_study_instance_uid"), "retrieval")
    op.drop_index(op.f("ix_retrieval_state"), "retrieval")
    op.drop_index(op.f("ix_retrieval_series_instance_uid"), "retrieval")
    op.drop_index(op.f("ix_retrieval_due_at"), "retrieval")

    op.drop_table("retrieval")
