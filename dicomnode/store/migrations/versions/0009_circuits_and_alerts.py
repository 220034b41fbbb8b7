"""Circuits of destinations, traces of what administrators did, alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "circuit",
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "closed",
                "open",
                "half-open",
                name="circuitstate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=True),
        sa.Column("probe_at", sa.Double(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_circuit")),
    )
    op.create_table(
        "job_trace",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column(
            "action",
            sa.Enum("retry", "cancel", "discard", name="jobaction", native_enum=False, length=16),
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.String(length=16), nullable=False),
        sa.Column("after", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_trace")),
    )
    op.create_index(op.f("ix_job_trace_kind_subject"), "job_trace", ["kind", "subject"])
    op.create_table(
        "alert",
        sa.Column("condition", sa.String(length=160), nullable=False),
        sa.Column("raised_at", sa.Double(), nullable=False),
        sa.Column("told_at", sa.Double(), nullable=True),
        sa.Column("recovered_at", sa.Double(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("condition", name=op.f("pk_alert")),
    )


def downgrade() -> None:
    op.drop_table("alert")
    op.drop_index(op.f("ix_job_trace_kind_subject"), "job_trace")
    op.drop_table("job_trace")
    op.drop_table("circuit")
