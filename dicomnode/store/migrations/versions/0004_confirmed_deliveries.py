"""Deliveries that are committed and verified; commitments; what destinations accept."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("delivery") as delivery:
        delivery.add_column(
            sa.Column(
                "confirmation",
                sa.Enum(
                    "commit",
                    "report",
                    "verify",
                    name="confirmation",
                    native_enum=False,
                    length=16,
                ),
                nullable=True,
            )
        )
        delivery.add_column(
            sa.Column("confirm_attempts", sa.Integer(), server_default="0", nullable=False)
        )
        delivery.add_column(sa.Column("resends", sa.Integer(), server_default="0", nullable=False))
        delivery.add_column(sa.Column("accepted_at", sa.Double(), nullable=True))
        delivery.add_column(sa.Column("committed_at", sa.Double(), nullable=True))
        delivery.add_column(sa.Column("verified_at", sa.Double(), nullable=True))
        delivery.add_column(sa.Column("verified_by", sa.Text(), nullable=True))
        delivery.add_column(sa.Column("commit_words", sa.Text(), nullable=True))
        delivery.add_column(sa.Column("verify_words", sa.Text(), nullable=True))
        delivery.create_index(op.f("ix_delivery_confirmation"), ["confirmation"])

    op.create_table(
        "commitment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "asked",
                "reported",
                "refused",
                name="commitmentstate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("reported_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment")),
        sa.UniqueConstraint("transaction_uid", name=op.f("uq_commitment_transaction_uid")),
    )
    op.create_index(op.f("ix_commitment_state"), "commitment", ["state"])

    op.create_table(
        "commitment_delivery",
        sa.Column("commitment_id", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["commitment_id"],
            ["commitment.id"],
            name=op.f("fk_commitment_delivery_commitment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name=op.f("fk_commitment_delivery_delivery_id")
        ),
        sa.PrimaryKeyConstraint(
            "commitment_id", "delivery_id", name=op.f("pk_commitment_delivery")
        ),
    )
    op.create_index(
        op.f("ix_commitment_delivery_delivery_id"), "commitment_delivery", ["delivery_id"]
    )

    op.create_table(
        "commitment_report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("called_ae", sa.Text(), nullable=False),
        sa.Column("references", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "reported",
                "refused",
                "exhausted",
                name="reportstate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("peer_words", sa.Text(), nullable=True),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment_report")),
        sa.UniqueConstraint(
            "transaction_uid",
            "calling_ae",
            name=op.f("uq_commitment_report_transaction_uid_calling_ae"),
        ),
    )
    op.create_index(op.f("ix_commitment_report_state"), "commitment_report", ["state"])

    op.create_table(
        "probe",
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("attempted_at", sa.Double(), nullable=False),
        sa.Column("answered_at", sa.Double(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_probe")),
    )

    op.create_table(
        "capability",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_capability")),
        sa.UniqueConstraint(
            "destination",
            "sop_class_uid",
            "transfer_syntax_uid",
            name=op.f("uq_capability_destination_sop_class_uid_transfer_syntax_uid"),
        ),
    )
    op.create_index(op.f("ix_capability_destination"), "capability", ["destination"])


def downgrade() -> None:
    op.drop_index(op.f("ix_capability_destination"), "capability")

    op.drop_table("capability")

    op.drop_table("probe")
    op.drop_index(op.f("ix_commitment_report_state"), "commitment_report")

    op.drop_table("commitment_report")
    op.drop_index(op.f("ix_commitment_delivery_delivery_id"), "commitment_delivery")

    op.drop_table("commitment_delivery")
    op.drop_index(op.f("ix_commitment_state"), "commitment")

    op.drop_table("commitment")
    with op.batch_alter_table("delivery") as delivery:
        delivery.drop_index(op.f("ix_delivery_confirmation"))
        for column in (
            "verify_words",
            "commit_words",
            "verified_by",
            "verified_at",
            "committed_at",
            "accepted_at",
            "resends",
            "confirm_attempts",
            "confirmation",
        ):
            delivery.drop_column(column)
