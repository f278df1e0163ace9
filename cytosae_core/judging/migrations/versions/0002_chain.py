"""Judgements in a chain, and studies that can be closed.

What stands there already is chained in the order of saving, and the chain says from when.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from cytosae_core.judging.chain import genesis, judgement_hash

revision = "0002"
down_revision = "0001"

_KEYS = ("judgement_id", "nonce", "rater_id", "study_id", "item_id", "stage_id", "previous_hash", "chain_hash")
_JUDGEMENTS = sa.table(
    "judgements",
    *(sa.column(name, sa.Text()) for name in (*_KEYS, "answers", "pictures_digest", "app_version")),
    *(sa.column(name, sa.Integer()) for name in ("revision", "chain_number")),
    *(sa.column(name, sa.DateTime(timezone=True)) for name in ("shown_at", "submitted_at")),
    sa.column("overlay_used", sa.Boolean()),
)
_STUDIES = sa.table("studies", sa.column("study_id", sa.String()), sa.column("digest", sa.String()))


def upgrade() -> None:
    _create_study_states()
    _create_study_events()
    _create_incidents()
    op.execute("DROP TRIGGER IF EXISTS judgements_refuse_update" + _on_postgresql(" ON judgements"))
    with op.batch_alter_table("judgements") as batch:
        batch.add_column(sa.Column("chain_number", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("previous_hash", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("chain_hash", sa.String(length=64), nullable=True))
    _chain_what_is_there()
    with op.batch_alter_table("judgements") as batch:
        for name in ("chain_number", "previous_hash", "chain_hash"):
            batch.alter_column(name, nullable=False)
        batch.create_unique_constraint("uq_judgements_study_id_chain_number", ["study_id", "chain_number"])


def _create_study_states() -> None:
    op.create_table(
        "study_states",
        sa.Column("study_id", sa.String(length=200), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_before", sa.Integer(), nullable=False),
        sa.Column("n_judgements", sa.Integer(), nullable=False),
        sa.Column("head_hash", sa.String(length=64), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unblinded_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["studies.study_id"], name="fk_study_states_study_id"),
        sa.PrimaryKeyConstraint("study_id", name="pk_study_states"),
    )


def _create_study_events() -> None:
    op.create_table(
        "study_events",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("study_id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.study_id"], name="fk_study_events_study_id"),
        sa.PrimaryKeyConstraint("event_id", name="pk_study_events"),
    )
    op.create_index("ix_study_events_study_id", "study_events", ["study_id"], unique=False)


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.String(length=32), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_incidents"),
    )


def _chain_what_is_there() -> None:
    connection = op.get_bind()
    now = datetime.now(UTC)
    order = (_JUDGEMENTS.c.submitted_at, _JUDGEMENTS.c.judgement_id)
    names = ("study_id", "started_at", "n_before", "n_judgements", "head_hash")
    chains = sa.table("study_states", *map(sa.column, names))
    chains.c.started_at.type = sa.DateTime(timezone=True)
    for study in connection.execute(sa.select(_STUDIES)).all():
        head, number = genesis(study.study_id, study.digest), 0
        mine = sa.select(_JUDGEMENTS).where(_JUDGEMENTS.c.study_id == study.study_id).order_by(*order)
        for number, row in enumerate(connection.execute(mine).mappings().all(), start=1):
            linked = {**row, "chain_number": number, "previous_hash": head}
            head = judgement_hash(linked)
            link = {"chain_number": number, "previous_hash": linked["previous_hash"], "chain_hash": head}
            same = _JUDGEMENTS.c.judgement_id == row["judgement_id"]
            connection.execute(sa.update(_JUDGEMENTS).where(same).values(**link))
        values = (study.study_id, now, number, number, head)
        connection.execute(sa.insert(chains).values(dict(zip(chains.c.keys(), values, strict=True))))


def _on_postgresql(text: str) -> str:
    return text if op.get_bind().dialect.name == "postgresql" else ""
