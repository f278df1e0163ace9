"""Registering studies and finding them again."""

from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, insert, select, update

from cytosae_core.artifacts.manifest import digest_of
from cytosae_core.errors import StudyError
from cytosae_core.judging.chain import Head, genesis, heads
from cytosae_core.judging.models import ItemRow, StudyEventRow, StudyRow, StudyStateRow
from cytosae_core.judging.records import StudyEvent, StudySummary
from cytosae_core.judging.store import Store
from cytosae_core.study.files import read_study
from cytosae_core.study.order import check_items
from cytosae_core.study.protocol import Study, check_seal, from_document, to_document


class Studies:
    """Registering studies, and finding them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # A study is sealed by its digest, so what was read once stays true.
        self._loaded: dict[str, Study] = {}

    def register(self, study: Study, atlas_path: str) -> None:
        """Store the study and where its atlas lies; registering it again only moves the atlas.

        Raises StudyError when the study was changed after it was made, is an exported copy, or its items contradict
        each other.
        """
        check_seal(study)
        if study.salt_sha256 and not study.salt:
            raise StudyError(
                f"this is an exported copy of study {study.study_id!r}, without its secret salt; "
                "register the study.json that create_study.py wrote"
            )
        check_items(study)
        document = to_document(study)
        row = {
            "study_id": study.study_id,
            "title": study.title,
            "simulated": study.simulated,
            "created_at": _moment(study.created_at),
            "registered_at": self._store.now(),
            "atlas_path": atlas_path,
            "digest": digest_of(document),
            "document": document,
        }
        items = [{"study_id": study.study_id, "item_id": item.item_id, "task_id": item.task_id} for item in study.items]
        chain = {
            "study_id": study.study_id,
            "started_at": row["registered_at"],
            "n_before": 0,
            "n_judgements": 0,
            "head_hash": genesis(study.study_id, digest_of(document)),
        }
        with self._store.writing() as connection:
            known = select(StudyRow.digest).where(StudyRow.study_id == study.study_id)
            if connection.scalar(known) is None:
                connection.execute(insert(StudyRow), row)
                connection.execute(insert(ItemRow), items)
                connection.execute(insert(StudyStateRow), chain)
            else:
                same = StudyRow.study_id == study.study_id
                connection.execute(update(StudyRow).where(same).values(atlas_path=atlas_path))
        self.load(study.study_id)

    def all(self) -> list[StudySummary]:
        """All registered studies, the newest first."""
        with self._store.reading() as connection:
            return [StudySummary(*row) for row in connection.execute(_SUMMARIES)]

    def load(self, study_id: str) -> Study:
        """The study; raises StudyError when it is not registered, or was changed in the database."""
        if study_id not in self._loaded:
            self._loaded[study_id] = self._read(study_id)
        return self._loaded[study_id]

    def chain_head(self, study_id: str) -> Head:
        """The head of the chain of the study's judgements; raises StudyError when there is no such study."""
        with self._store.reading() as connection:
            found = heads(connection, study_id)
        if not found:
            raise StudyError(f"there is no study {study_id!r} in this database; register it with create_study.py")
        return found[0]

    def close(self, study_id: str, reason: str) -> None:
        """Let nothing be stored in the study from now on; raises StudyError when there is no such study."""
        self._change_state(study_id, "closed", reason, closed_at=self._store.now())

    def reopen(self, study_id: str, reason: str) -> None:
        """Let judging go on; raises StudyError when there is no such study."""
        self._change_state(study_id, "reopened", reason, closed_at=None)

    def unblind(self, study_id: str, reason: str) -> None:
        """Let nothing be revised from now on, for ever: raters may learn what the items are.

        Raises StudyError when there is no such study.
        """
        self._change_state(study_id, "unblinded", reason, unblinded_at=self._store.now())

    def events(self, study_id: str) -> list[StudyEvent]:
        """When the study was closed, opened again or unblinded, and why, in order."""
        query = select(*(getattr(StudyEventRow, name) for name in StudyEvent._fields)).filter_by(study_id=study_id)
        with self._store.reading() as connection:
            return [StudyEvent(*row) for row in connection.execute(query.order_by(StudyEventRow.happened_at))]

    def _change_state(self, study_id: str, kind: str, reason: str, **state: datetime | None) -> None:
        if not reason.strip():
            raise StudyError(f"study {study_id!r} is to be {kind} without a reason; say why, it is kept with the study")
        event = {"event_id": uuid4().hex, "study_id": study_id, "kind": kind, "reason": reason.strip()}
        with self._store.writing() as connection:
            changed = update(StudyStateRow).where(StudyStateRow.study_id == study_id).values(**state)
            if connection.execute(changed).rowcount == 0:
                raise StudyError(f"there is no study {study_id!r} in this database; register it with create_study.py")
            connection.execute(insert(StudyEventRow), {**event, "happened_at": self._store.now()})

    def atlas_path(self, study_id: str) -> str:
        """Where the atlas of the study lies, as it was registered; raises StudyError when there is no such study."""
        with self._store.reading() as connection:
            path = connection.scalar(select(StudyRow.atlas_path).where(StudyRow.study_id == study_id))
        if path is None:
            raise StudyError(f"there is no study {study_id!r} in this database; register it with create_study.py")
        return path

    def _read(self, study_id: str) -> Study:
        with self._store.reading() as connection:
            query = select(StudyRow.document, StudyRow.digest).where(StudyRow.study_id == study_id)
            row = connection.execute(query).one_or_none()
        if row is None:
            raise StudyError(f"there is no study {study_id!r} in this database; register it with create_study.py")
        study = from_document(row.document)
        if study.study_id != study_id or digest_of(row.document) != row.digest:
            raise StudyError(
                f"study {study_id!r} was changed in the database after it was registered; restore a backup"
            )
        return study


_SUMMARIES = select(StudyRow.study_id, StudyRow.title, StudyRow.created_at, StudyRow.simulated).order_by(
    StudyRow.created_at.desc(), StudyRow.study_id
)


def _moment(created_at: str) -> datetime:
    try:
        moment = datetime.fromisoformat(created_at)
    except ValueError as error:
        raise StudyError(f"created_at is {created_at!r}; a study needs a UTC time in ISO 8601") from error
    if moment.tzinfo is None:
        raise StudyError(f"created_at is {created_at!r}, which names no time zone; write it as UTC in ISO 8601")
    return moment


def study_file_faults(connection: Connection, path: Path) -> list[str]:
    """What differs between a study's file, or its folder, and the study that was registered, a sentence each."""
    try:
        study = read_study(path)
    except StudyError as error:
        return [f"{path} is not what was made: {error}"]
    digest = connection.scalar(select(StudyRow.digest).where(StudyRow.study_id == study.study_id))
    if digest is None:
        return [f"{path}: its study {study.study_id!r} is not registered in this database"]
    return [] if digest == digest_of(to_document(study)) else [f"{path} is another document than was registered"]
