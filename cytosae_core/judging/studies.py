"""Registering studies and finding them again."""

from datetime import datetime

from sqlalchemy import insert, select, update

from cytosae_core.artifacts.manifest import digest_of
from cytosae_core.errors import StudyError
from cytosae_core.judging.models import ItemRow, StudyRow
from cytosae_core.judging.records import StudySummary
from cytosae_core.judging.store import Store
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

        Raises StudyError when the study was changed after it was made, or its items contradict each other.
        """
        check_seal(study)
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
        with self._store.writing() as connection:
            known = select(StudyRow.digest).where(StudyRow.study_id == study.study_id)
            if connection.scalar(known) is None:
                connection.execute(insert(StudyRow), row)
                connection.execute(insert(ItemRow), items)
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
