"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "instance",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("modality", sa.Text(), nullable=False),
        sa.Column("body_part", sa.Text(), nullable=False),
        sa.Column("study_description", sa.Text(), nullable=False),
        sa.Column("series_description", sa.Text(), nullable=False),
        sa.Column("image_type", sa.JSON(), nullable=False),
        sa.Column("instance_number", sa.Integer(), nullable=True),
        sa.Column("frame_of_reference_uid", sa.String(length=64), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("columns", sa.Integer(), nullable=True),
        sa.Column("number_of_frames", sa.Integer(), nullable=True),
        sa.Column("image_position", sa.JSON(), nullable=True),
        sa.Column("image_orientation", sa.JSON(), nullable=True),
        sa.Column("pixel_spacing", sa.JSON(), nullable=True),
        sa.Column("slice_thickness", sa.Double(), nullable=True),
        sa.Column("calling_ae", sa.Text(), nullable=False),
        sa.Column("called_ae", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "held", "received", "examined", name="instancestate", native_enum=False, length=16
            ),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("sop_instance_uid", name=op.f("pk_instance")),
    )
    op.create_index(
        op.f("ix_instance_frame_of_reference_uid"), "instance", ["frame_of_reference_uid"]
    )
    op.create_index(op.f("ix_instance_series_instance_uid"), "instance", ["series_instance_uid"])
    op.create_index(op.f("ix_instance_state"), "instance", ["state"])
    op.create_index(op.f("ix_instance_study_instance_uid"), "instance", ["study_instance_uid"])

    op.create_table(
        "lesion",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mark_key", sa.String(length=64), nullable=False),
        sa.Column("mark", sa.JSON(), nullable=False),
        sa.Column("source_sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("key_sop_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("frame_of_reference_uid", sa.String(length=64), nullable=True),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("slices", sa.JSON(), nullable=True),
        sa.Column("long_axis", sa.JSON(), nullable=True),
        sa.Column("short_axis", sa.JSON(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("method", sa.String(length=64), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=True),
        sa.Column("destinations", sa.JSON(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "ready",
                "segmented",
                "published",
                "refused",
                "failed",
                name="lesionstate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("soft_mask_path", sa.Text(), nullable=True),
        sa.Column("volume_ml", sa.Double(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("waiting_since", sa.Double(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lesion")),
        sa.UniqueConstraint("mark_key", name=op.f("uq_lesion_mark_key")),
    )
    op.create_index(op.f("ix_lesion_frame_of_reference_uid"), "lesion", ["frame_of_reference_uid"])
    op.create_index(op.f("ix_lesion_key_sop_instance_uid"), "lesion", ["key_sop_instance_uid"])
    op.create_index(op.f("ix_lesion_series_instance_uid"), "lesion", ["series_instance_uid"])
    op.create_index(
        op.f("ix_lesion_source_sop_instance_uid"), "lesion", ["source_sop_instance_uid"]
    )
    op.create_index(op.f("ix_lesion_state"), "lesion", ["state"])
    op.create_index(op.f("ix_lesion_study_instance_uid"), "lesion", ["study_instance_uid"])

    op.create_table(
        "finding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("item", sa.String(length=64), nullable=False),
        sa.Column("lesion_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["lesion_id"], ["lesion.id"], name=op.f("fk_finding_lesion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )
    op.create_index(op.f("ix_finding_lesion_id"), "finding", ["lesion_id"])
    op.create_index(
        op.f("ix_finding_source_sop_instance_uid"), "finding", ["source_sop_instance_uid"]
    )

    op.create_table(
        "result",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("lesion_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sop_class_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["lesion_id"], ["lesion.id"], name=op.f("fk_result_lesion_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_result")),
        sa.UniqueConstraint("sop_instance_uid", name=op.f("uq_result_sop_instance_uid")),
    )
    op.create_index(op.f("ix_result_lesion_id"), "result", ["lesion_id"])

    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("result_id", sa.Integer(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "sent",
                "accepted",
                "refused",
                "exhausted",
                name="deliverystate",
                native_enum=False,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("peer_words", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["result_id"], ["result.id"], name=op.f("fk_delivery_result_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "result_id", "destination", name=op.f("uq_delivery_result_id_destination")
        ),
    )
    op.create_index(op.f("ix_delivery_due_at"), "delivery", ["due_at"])
    op.create_index(op.f("ix_delivery_result_id"), "delivery", ["result_id"])
    op.create_index(op.f("ix_delivery_state"), "delivery", ["state"])


def downgrade() -> None:
    op.drop_index(op.f("ix_delivery_state"), "delivery")
    op.drop_index(op.f("ix_delivery_result_id"), "delivery")
    op.drop_index(op.f("ix_delivery_due_at"), "delivery")

    op.drop_table("delivery")
    op.drop_index(op.f("ix_result_lesion_id"), "result")

    op.drop_table("result")
    op.drop_index(op.f("ix_finding_source_sop_instance_uid"), "finding")
    op.drop_index(op.f("ix_finding_lesion_id"), "finding")

    op.drop_table("finding")
    op.drop_index(op.f("ix_lesion_study_instance_uid"), "lesion")
    op.drop_index(op.f("ix_lesion_state"), "lesion")
    op.drop_index(op.f("ix_lesion_source_sop_instance_uid"), "lesion")
    op.drop_index(op.f("ix_lesion_series_instance_uid"), "lesion")
    op.drop_index(op.f("ix_lesion_key_sop_instance_uid"), "lesion")
    op.drop_index(op.f("ix_lesion_frame_of_reference_uid"), "lesion")

    op.drop_table("lesion")
    op.drop_index(op.f("ix_instance_study_instance_uid"), "instance")
    op.drop_index(op.f("ix_instance_state"), "instance")
    op.drop_index(op.f("ix_instance_series_instance_uid"), "instance")
    op.drop_index(op.f("ix_instance_frame_of_reference_uid"), "instance")

    op.drop_table("instance")
