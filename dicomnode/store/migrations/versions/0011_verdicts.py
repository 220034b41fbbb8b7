"""What readers say of soft masks at the lesion page."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "verdict",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lesion_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("decision", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=False),
        sa.Column("soft_mask", sa.Text(), nullable=False),
        sa.Column("mended", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["lesion_id"], ["lesion.id"], name=op.f("fk_verdict_lesion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict")),
    )
    op.create_index(op.f("ix_verdict_lesion_id"), "verdict", ["lesion_id"])


def downgrade() -> None:
    op.drop_table("verdict")
