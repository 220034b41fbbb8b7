"""Reader studies: lesions with candidate masks, who sees them in which order, and what they say."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _of(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))


def _key(table: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def upgrade() -> None:
    op.create_table(
        "reader_study",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=48), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("display", sa.String(length=16), nullable=False),
        sa.Column("asks_origin", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("readers", sa.JSON(), nullable=False),
        sa.Column("candidates", sa.JSON(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.Double(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        _key("reader_study"),
        _unique("reader_study", "name"),
    )
    table = "reader_study_case"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reader_study_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("repeated", sa.Boolean(), nullable=False),
        sa.Column("lesion_id", sa.Integer(), nullable=True),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        _of(table, "reader_study_id", "reader_study"),
        _of(table, "lesion_id", "lesion"),
        _key(table),
        _unique(table, "reader_study_id", "number"),
    )
    for column in ("reader_study_id", "lesion_id", "study_instance_uid"):
        _index(table, column)
    table = "reader_study_presentation"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("reader_study_id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("repeat", sa.Boolean(), nullable=False),
        sa.Column("shown_order", sa.JSON(), nullable=False),
        sa.Column("shown_at", sa.Double(), nullable=True),
        _of(table, "reader_study_id", "reader_study"),
        _of(table, "case_id", "reader_study_case"),
        _key(table),
        _unique(table, "reader_study_id", "reader", "number"),
    )
    for column in ("reader_study_id", "case_id"):
        _index(table, column)
    table = "reader_study_answer"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("presentation_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("chosen", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("judged", sa.JSON(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        _of(table, "presentation_id", "reader_study_presentation"),
        _key(table),
    )
    _index(table, "presentation_id")


def downgrade() -> None:
    for kind in ("answer", "presentation", "case"):
        op.drop_table(f"reader_study_{kind}")
    op.drop_table("reader_study")
