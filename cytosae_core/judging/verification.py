"""Is what stands in the database what was judged? Every change that can be told is named; nothing is changed.

Each check looks for one thing, and `verify` runs them all:

    check_incidents       triggers that were found missing, now or earlier
    check_document        the study's document against its digest
    check_links           each judgement against its own hash and the hash of the one before
    check_head            the last judgement against the head of the chain
    check_known_heads     the chain against heads that were written down elsewhere: backups, exports, receipts
    check_presentations   each judgement against what was shown under its nonce
    check_answers_fit     each answer against the questions of the protocol
    check_items           items, pictures and orders against the document
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Engine, MetaData, Table, Text, select
from sqlalchemy.exc import SQLAlchemyError

from cytosae_core.artifacts.manifest import digest_of
from cytosae_core.errors import CytosaeError, StudyError
from cytosae_core.judging import triggers
from cytosae_core.judging.chain import Head, genesis, heads, judgement_hash
from cytosae_core.judging.database import reading
from cytosae_core.judging.models import (
    Base,
    CanonicalJson,
    IncidentRow,
    ItemRow,
    JudgementRow,
    OrderRow,
    PresentationRow,
    RaterRow,
    StudyRow,
)
from cytosae_core.study.protocol import Study, check_answers, from_document

Row = Mapping[str, Any]
_BROKEN = (CytosaeError, SQLAlchemyError, ValueError, OverflowError)
"""What reading a damaged row raises."""


class Evidence(NamedTuple):
    """All that the database holds about one study."""

    study_id: str
    study: Study | None
    """None: the document cannot be read, or is another one than was registered."""
    document_fault: str
    """What is wrong with the document; empty: nothing."""
    digest: str
    """As it was registered."""
    judgements: Sequence[Row]
    """Rows that can be read, in the order of the chain; answers as the text that is stored."""
    unreadable: Sequence[str]
    """What is wrong with the rows that cannot be read."""
    presentations: Mapping[str, Row]
    """By nonce."""
    head: Head | None
    """None: there is no row for the chain."""
    known_heads: Sequence[tuple[int, str]]
    """(number, hash) that were written down elsewhere."""
    items: Mapping[str, str]
    """Task of each item, as the table of items has it."""
    orders: Mapping[tuple[str, str], Sequence[str]]
    """Items by rater code and task, in their order."""
    raters: Mapping[str, str]
    """Code of each rater by id."""
    incidents: Sequence[str]


class Verdict(NamedTuple):
    """What was found about one study."""

    study_id: str
    n_judgements: int
    head: Head | None
    faults: list[str]
    """A sentence each; empty: all is as it was judged."""


Check = Callable[[Evidence], Iterator[str]]


def verify(
    engine: Engine, study_ids: Sequence[str] = (), known_heads: Sequence[tuple[str, int, str]] = ()
) -> list[Verdict]:
    """The verdict on these studies, or on all; `known_heads` are (study_id, number, hash) as `parse_head` gives them.

    Raises StudyError for a study that the database does not hold, DatabaseError where it cannot be read at all.
    """
    with reading(engine) as connection:
        present = list(connection.scalars(select(StudyRow.study_id).order_by(StudyRow.study_id)))
        asked = list(study_ids) or present
        for study_id in {*asked, *(one[0] for one in known_heads)} - set(present):
            raise StudyError(f"there is no study {study_id!r} in this database, which holds {present}")
        return [_verdict(_evidence(connection, one, known_heads)) for one in asked]


def _verdict(evidence: Evidence) -> Verdict:
    faults = [fault for check in CHECKS for fault in check(evidence)]
    n_judgements = len(evidence.judgements) + len(evidence.unreadable)
    return Verdict(evidence.study_id, n_judgements, evidence.head, faults)


def check_incidents(evidence: Evidence) -> Iterator[str]:
    """Triggers that were found missing, now or earlier."""
    yield from evidence.incidents


def check_document(evidence: Evidence) -> Iterator[str]:
    """The study's document against its digest."""
    if evidence.document_fault:
        yield evidence.document_fault


def check_links(evidence: Evidence) -> Iterator[str]:
    """Each judgement against its own hash and the hash of the one before."""
    yield from evidence.unreadable
    before, number = genesis(evidence.study_id, evidence.digest), 0
    for row in evidence.judgements:
        for lost in range(number + 1, row["chain_number"]):
            yield f"judgement {lost} of the chain is missing"
        if row["chain_number"] == number + 1 and row["previous_hash"] != before:
            yield f"{_name(evidence, row)} does not follow the one before it: one of the two is not what was saved"
        if judgement_hash(row) != row["chain_hash"]:
            yield f"{_name(evidence, row)} was changed after it was saved"
        before, number = row["chain_hash"], row["chain_number"]


def check_head(evidence: Evidence) -> Iterator[str]:
    """The last judgement against the head of the chain."""
    head = evidence.head
    if head is None:
        yield "the study has no chain: its row was removed"
        return
    last = evidence.judgements[-1] if evidence.judgements else None
    number = last["chain_number"] if last else 0
    if number < head.n_judgements:
        yield f"the last {head.n_judgements - number} of {head.n_judgements} judgements are missing"
    elif number > head.n_judgements:
        yield f"{number - head.n_judgements} judgements follow after the head of the chain: the app did not save them"
    elif (last["chain_hash"] if last else genesis(evidence.study_id, evidence.digest)) != head.head_hash:
        yield f"the head of the chain is not the hash of judgement {number}: one of the two was changed"


def check_known_heads(evidence: Evidence) -> Iterator[str]:
    """The chain against heads that were written down elsewhere."""
    hashes = {row["chain_number"]: row["chain_hash"] for row in evidence.judgements}
    hashes[0] = genesis(evidence.study_id, evidence.digest)
    for number, digest in evidence.known_heads:
        if number not in hashes:
            yield f"a head that was written down is that of judgement {number}, which is missing"
        elif hashes[number] != digest:
            yield f"judgement {number}, or one before it, is not what it was when its head was written down"


def check_presentations(evidence: Evidence) -> Iterator[str]:
    """Each judgement against what was shown under its nonce."""
    same = ("rater_id", "study_id", "item_id", "stage_id", "revision", "pictures_digest", "app_version", "shown_at")
    for row in evidence.judgements:
        shown = evidence.presentations.get(row["nonce"])
        if shown is None:
            yield f"{_name(evidence, row)} has a nonce under which nothing was shown"
            continue
        other = [name for name in same if shown[name] != row[name]]
        if other:
            yield f"{_name(evidence, row)} differs from what was shown under its nonce in {', '.join(other)}"


def check_answers_fit(evidence: Evidence) -> Iterator[str]:
    """Each answer against the questions of the protocol."""
    if evidence.study is None:
        return
    for row in evidence.judgements:
        try:
            item = evidence.study.item(row["item_id"])
            answers = json.loads(row["answers"])
            fitting = check_answers(evidence.study.task(item.task_id).stage(row["stage_id"]), answers)
        except (CytosaeError, ValueError, TypeError, AttributeError) as error:
            yield f"{_name(evidence, row)} holds what the protocol does not allow: {error}"
            continue
        if fitting != answers:
            yield f"{_name(evidence, row)} holds answers to questions that were not asked"


def check_items(evidence: Evidence) -> Iterator[str]:
    """Items, pictures and orders against the document."""
    if evidence.study is None:
        return
    sealed = {item.item_id: item for item in evidence.study.items}
    if evidence.items != {name: item.task_id for name, item in sealed.items()}:
        yield "the table of items is not that of the study's document"
    for (rater, task), order in evidence.orders.items():
        if sorted(order) != sorted(name for name, item in sealed.items() if item.task_id == task):
            yield f"the order of rater {rater} in task {task!r} is not one of the items of the study"
    for row in evidence.judgements:
        item = sealed.get(row["item_id"])
        if item is not None and item.pictures_digest != row["pictures_digest"]:
            yield f"{_name(evidence, row)} was made of other pictures than the item has"


CHECKS: tuple[Check, ...] = (
    check_incidents,
    check_document,
    check_links,
    check_head,
    check_known_heads,
    check_presentations,
    check_answers_fit,
    check_items,
)


def _name(evidence: Evidence, row: Row) -> str:
    rater = evidence.raters.get(row["rater_id"], f"of unknown id {row['rater_id']!r}")
    return f"judgement {row['chain_number']} (rater {rater}, item {row['item_id']}, stage {row['stage_id']})"


def _evidence(connection: Connection, study_id: str, known_heads: Sequence[tuple[str, int, str]]) -> Evidence:
    digest = str(connection.scalar(select(StudyRow.digest).where(StudyRow.study_id == study_id)))
    study, fault = _document(connection, study_id, digest)
    judgements, unreadable = _rows(connection, JudgementRow.__tablename__, study_id)
    presentations, unreadable_too = _rows(connection, PresentationRow.__tablename__, study_id)
    raters = {
        row.rater_id: row.rater_code for row in connection.execute(select(RaterRow.rater_id, RaterRow.rater_code))
    }
    return Evidence(
        study_id=study_id,
        study=study,
        document_fault=fault,
        digest=digest,
        judgements=sorted(judgements, key=lambda row: int(row["chain_number"])),
        unreadable=[*unreadable, *unreadable_too],
        presentations={row["nonce"]: row for row in presentations},
        head=next(iter(heads(connection, study_id)), None),
        known_heads=[(number, known) for name, number, known in known_heads if name == study_id],
        items=dict(connection.execute(select(ItemRow.item_id, ItemRow.task_id).filter_by(study_id=study_id)).all()),
        orders=_orders(connection, study_id, raters),
        raters=raters,
        incidents=_incidents(connection),
    )


def _document(connection: Connection, study_id: str, digest: str) -> tuple[Study | None, str]:
    """The study where its document is the one that was registered, or what is wrong with it."""
    try:
        document = connection.scalar(select(StudyRow.document).where(StudyRow.study_id == study_id))
        study = from_document(document or {})
    except _BROKEN as error:
        return None, f"the study's document cannot be read as it was sealed: {error}"
    if digest_of(document) != digest or study.study_id != study_id:
        return None, "the study's document is not the one that was registered: its digest differs"
    return study, ""


def _orders(connection: Connection, study_id: str, raters: Mapping[str, str]) -> dict[tuple[str, str], list[str]]:
    query = select(OrderRow.rater_id, OrderRow.task_id, OrderRow.item_id).filter_by(study_id=study_id)
    orders: dict[tuple[str, str], list[str]] = {}
    for row in connection.execute(query.order_by(OrderRow.position)):
        orders.setdefault((raters.get(row.rater_id, row.rater_id), row.task_id), []).append(row.item_id)
    return orders


def _incidents(connection: Connection) -> list[str]:
    absent = triggers.missing(connection)
    now = f"the triggers {', '.join(absent)} are missing or changed: rows can be changed or deleted" if absent else ""
    then = connection.execute(select(IncidentRow.found_at, IncidentRow.what).order_by(IncidentRow.found_at))
    return [*([now] if now else []), *(f"{row.found_at:%Y-%m-%d %H:%M:%S} UTC: {row.what}" for row in then)]


def _raw(table: Table) -> Table:
    """The same table with JSON as the text that is stored."""
    columns = (Column(one.name, Text() if isinstance(one.type, CanonicalJson) else one.type) for one in table.c)
    return Table(table.name, MetaData(), *columns)


_RAW = {name: _raw(Base.metadata.tables[name]) for name in (JudgementRow.__tablename__, PresentationRow.__tablename__)}


def _rows(connection: Connection, name: str, study_id: str) -> tuple[list[Row], list[str]]:
    """The rows of a study that can be read, and what is wrong with the others."""
    table = _RAW[name]
    query = select(table).where(table.c.study_id == study_id)
    try:
        return [dict(row) for row in connection.execute(query).mappings()], []
    except _BROKEN:
        return _row_by_row(connection, table, study_id)


def _row_by_row(connection: Connection, table: Table, study_id: str) -> tuple[list[Row], list[str]]:
    """As `_rows`, with a query per row, so that a damaged one costs no other."""
    key = next(iter(table.c))
    found: list[Row] = []
    broken: list[str] = []
    for name in connection.scalars(select(key).where(table.c.study_id == study_id)):
        try:
            found.append(dict(connection.execute(select(table).where(key == name)).mappings().one()))
        except _BROKEN as error:
            broken.append(f"row {name!r} of the table {table.name} cannot be read: {error}")
    return found, broken
