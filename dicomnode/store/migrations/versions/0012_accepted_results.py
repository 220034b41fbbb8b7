"""Which soft mask a result was made of, and deliveries that wait for a reader to accept it."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("delivery") as delivery:
        delivery.add_column(
            sa.Column("only_accepted", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("result") as result:
        result.add_column(sa.Column("soft_mask", sa.String(length=64), nullable=True))
        result.add_column(sa.Column("verdict_id", sa.Integer(), nullable=True))
        result.create_foreign_key(op.f("fk_result_verdict_id"), "verdict", ["verdict_id"], ["id"])
        result.create_index(op.f("ix_result_verdict_id"), ["verdict_id"])
    with op.batch_alter_table("verdict") as verdict:
        verdict.add_column(sa.Column("mended_digest", sa.String(length=64), nullable=True))
        verdict.add_column(
            sa.Column("told", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        verdict.create_index(op.f("ix_verdict_told"), ["told"])
    _digest_what_was_mended()


def _digest_what_was_mended() -> None:
    verdict = sa.table(
        "verdict",
        sa.column("id", sa.Integer()),
        sa.column("mended", sa.LargeBinary()),
        sa.column("mended_digest", sa.String()),
    )
    connection = op.get_bind()
    ids = connection.scalars(sa.select(verdict.c.id).where(verdict.c.mended.is_not(None))).all()
    for number in ids:
        mended = connection.scalar(sa.select(verdict.c.mended).where(verdict.c.id == number))
        connection.execute(
            sa.update(verdict)
            .where(verdict.c.id == number)
            .values(mended_digest=hashlib.sha256(mended).hexdigest())
        )


def downgrade() -> None:
    made = "(SELECT id FROM result WHERE verdict_id IS NOT NULL)"
    op.execute(
        "DELETE FROM commitment_delivery WHERE delivery_id IN "
        f"(SELECT id FROM delivery WHERE result_id IN {made})"
    )
    op.execute(f"DELETE FROM delivery WHERE result_id IN {made}")
    op.execute("DELETE FROM result WHERE verdict_id IS NOT NULL")
    with op.batch_alter_table("verdict") as verdict:
        verdict.drop_index(op.f("ix_verdict_told"))
        verdict.drop_column("told")
        verdict.drop_column("mended_digest")
    with op.batch_alter_table("result") as result:
        result.drop_index(op.f("ix_result_verdict_id"))
        result.drop_constraint(op.f("fk_result_verdict_id"), type_="foreignkey")
        result.drop_column("verdict_id")
        result.drop_column("soft_mask")
    # An older version does not know these states, and would send all of it.
    op.execute("UPDATE delivery SET state = 'withdrawn' WHERE state IN ('unjudged', 'withheld')")
    with op.batch_alter_table("delivery") as delivery:
        delivery.drop_column("only_accepted")
