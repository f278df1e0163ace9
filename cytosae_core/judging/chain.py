"""The chain of a study's judgements: each carries the hash of the one before it, so that no change goes unseen.

    genesis = sha256("cytosae-chain-1\\n" + study_id + "\\n" + digest of the study's document)
    hash_n  = sha256("cytosae-judgement-1\\n" + canonical form of judgement n)

The canonical form of a judgement is JSON in UTF-8 without spaces, keys sorted, of every column of its row that is not
NULL, but for `chain_hash` itself: so `chain_number` n, counted from 1 within the study, and `previous_hash`, which is
hash_(n-1), and the genesis for n = 1. Moments are UTC in ISO 8601 with six digits of a second and `+00:00`; `answers`
is the text as it is stored. A column that a later version adds is NULL in older rows and leaves their hashes alone.

The head of a chain is (n, hash_n) of its last judgement. Whoever can write the database can make a whole new chain, but
not one that has a head which was written down elsewhere: backups, exports and the page at the end of a task carry it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from cytosae_core.artifacts.manifest import canonical_json
from cytosae_core.errors import StudyError
from cytosae_core.judging.models import StudyStateRow


class Head(NamedTuple):
    """How far a study's chain goes."""

    study_id: str
    n_judgements: int
    head_hash: str
    """Hash of the last judgement, the genesis where there is none; 64 hex digits."""
    started_at: datetime
    """Since when the chain has been kept."""
    n_before: int
    """Judgements that were there by then: what happened to them earlier cannot be told."""

    def __str__(self) -> str:
        """`study:12:0f3a…`, as verify_study.py takes it."""
        return f"{self.study_id}:{self.n_judgements}:{self.head_hash}"


def genesis(study_id: str, study_digest: str) -> str:
    """What stands before the first judgement of a study, 64 hex digits."""
    return sha256(f"cytosae-chain-1\n{study_id}\n{study_digest}".encode()).hexdigest()


def judgement_hash(row: Mapping[str, Any]) -> str:
    """The hash of a judgement with its `chain_number` and `previous_hash`, 64 hex digits; `row` has its columns."""
    said = {name: _plain(name, value) for name, value in row.items() if value is not None and name != "chain_hash"}
    return sha256(f"cytosae-judgement-1\n{canonical_json(said)}".encode()).hexdigest()


def chained(connection: Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a new judgement with its place in the chain of its study, whose head moves on.

    Nobody else can add to the chain until the transaction ends. Raises StudyError where the study has no chain.
    """
    mine = StudyStateRow.study_id == row["study_id"]
    query = select(StudyStateRow.n_judgements, StudyStateRow.head_hash).where(mine).with_for_update()
    head = connection.execute(query).one_or_none()
    if head is None:
        raise StudyError(f"study {row['study_id']!r} has no chain of judgements; register it with create_study.py")
    linked = {**row, "chain_number": head.n_judgements + 1, "previous_hash": head.head_hash}
    linked["chain_hash"] = judgement_hash(linked)
    values = {"n_judgements": linked["chain_number"], "head_hash": linked["chain_hash"]}
    connection.execute(update(StudyStateRow).where(mine).values(**values))
    return linked


def heads(connection: Connection, study_id: str | None = None) -> list[Head]:
    """The heads of all chains, or of one study's, in the order of the studies' ids."""
    query = select(*(getattr(StudyStateRow, name) for name in Head._fields)).order_by(StudyStateRow.study_id)
    if study_id is not None:
        query = query.where(StudyStateRow.study_id == study_id)
    return [Head(*row) for row in connection.execute(query)]


def parse_head(text: str) -> tuple[str, int, str]:
    """(study_id, n, hash) of `study:n:hash`; raises StudyError for anything else."""
    study_id, _, rest = text.strip().partition(":")
    number, _, digest = rest.partition(":")
    is_hash = len(digest) == 64 and not set(digest) - set("0123456789abcdef")
    if not study_id or not number.isdecimal() or not is_hash:
        raise StudyError(f"{text!r} is no chain head; give it as it is printed: STUDY:NUMBER:HASH with 64 hex digits")
    return study_id, int(number), digest


def _plain(name: str, value: object) -> object:
    if isinstance(value, datetime):
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return aware.isoformat(timespec="microseconds")
    if name == "answers" and not isinstance(value, str):
        return canonical_json(value)
    return value
