"""A fresh database with the tiny study, one rater and a clock that the test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select

from cytosae_core.judging.database import open_engine
from cytosae_core.judging.models import DraftRow, RaterRow
from cytosae_core.judging.repository import Presentation, Receipt, Repository
from cytosae_core.study.protocol import Study
from tests.conftest import CHEAP_HASHER
from tests.study.tiny_study import good_answers, tiny_study


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 12, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def wait(self, **span: float) -> None:
        self.now += timedelta(**span)


class Desk:
    """One rater in front of one study: shows and saves, with the waiting in between."""

    def __init__(self, repository: Repository, study: Study, rater_id: str, clock: Clock) -> None:
        self.repository, self.study, self.rater_id, self.clock = repository, study, rater_id, clock

    def show(self, item_id: str, stage_id: str) -> Presentation:
        digest = self.study.item(item_id).pictures_digest
        return self.repository.desk.present(self.rater_id, self.study.study_id, item_id, stage_id, digest, "test")

    def show_current(self, task_id: str = "concept") -> Presentation:
        turn = self.repository.desk.current(self.rater_id, self.study.study_id, task_id)
        return self.show(turn.item_id, turn.stage_id)

    def save(self, nonce: str, answers: dict[str, str]) -> Receipt:
        self.clock.wait(seconds=1)
        return self.repository.judgements.submit(self.rater_id, nonce, answers)

    def judge_current(self, task_id: str = "concept") -> Receipt:
        turn = self.repository.desk.current(self.rater_id, self.study.study_id, task_id)
        return self.save(self.show(turn.item_id, turn.stage_id).nonce, good_answers(turn.stage_id))

    def draft(self, item_id: str, stage_id: str = "concept") -> dict[str, str] | None:
        """What the database keeps of the item, unsubmitted."""
        key = {"rater_id": self.rater_id, "study_id": self.study.study_id, "item_id": item_id, "stage_id": stage_id}
        with self.repository.store.reading() as connection:
            return connection.scalar(select(DraftRow.answers).filter_by(**key))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def study() -> Study:
    return tiny_study()


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    return tmp_path / "annotations.db"


@pytest.fixture
def engine(database_path: Path) -> Iterator[Engine]:
    engine = open_engine(database_path)
    yield engine
    engine.dispose()


@pytest.fixture
def hasher() -> PasswordHasher | None:
    """Cheap, except where hashing is what is tested."""
    return CHEAP_HASHER


@pytest.fixture
def repository(engine: Engine, study: Study, clock: Clock, hasher: PasswordHasher | None) -> Repository:
    repository = Repository(engine, clock=clock, hasher=hasher)
    repository.studies.register(study, "atlases/tiny")
    return repository


@pytest.fixture
def desk(repository: Repository, study: Study, clock: Clock) -> Desk:
    return seat(repository, study, clock, "R01")


def seat(repository: Repository, study: Study, clock: Clock, rater_code: str) -> Desk:
    """Add a rater to the study and give the desk."""
    repository.raters.add(rater_code, study.study_id, access_code="correct-horse")
    with repository.store.reading() as connection:
        rater_id = connection.scalar(select(RaterRow.rater_id).where(RaterRow.rater_code == rater_code))
    return Desk(repository, study, rater_id, clock)
