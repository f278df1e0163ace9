"""What the repository gives back: frozen values, all times aware UTC."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cytosae_core.study.protocol import Answers, Item, Stage, Task


@dataclass(frozen=True)
class StudySummary:
    """A line in a list of studies."""

    study_id: str
    title: str
    created_at: datetime
    simulated: bool


class StudyEvent(NamedTuple):
    """A study was closed, opened again, or unblinded."""

    happened_at: datetime
    kind: str
    """"closed", "reopened" or "unblinded"."""
    reason: str


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in."""

    rater_id: str
    rater_code: str
    token: str
    """Secret; only its digest is in the database."""
    study_ids: frozenset[str]
    """Studies that the rater takes part in, as of this reading."""


@dataclass(frozen=True)
class Turn:
    """What a rater judges next."""

    item_id: str
    stage_id: str
    position: int
    """Position of the item in the rater's order, from 1."""
    n_items: int


@dataclass(frozen=True)
class Progress:
    """How far a rater is in one task."""

    n_done: int
    """Items with a judgement for every stage."""
    n_items: int


@dataclass(frozen=True)
class Presentation:
    """An item was shown; the nonce stands for exactly this showing."""

    nonce: str
    shown_at: datetime
    revision: int
    """Number that the next judgement gets; 1 is the first."""
    previous: Answers | None
    """Answers of the latest judgement of this item and stage, if there is one."""


@dataclass(frozen=True)
class Screen:
    """Everything that the desk shows of one item, recorded as shown and read in the same transaction."""

    item: Item
    """Of this item's pictures the digest was recorded, so it is the one to show."""
    task: Task
    stage: Stage
    turn: Turn
    presentation: Presentation
    draft: Answers | None
    """Answers that were kept but not submitted; None when there are none."""
    n_done: int
    """Items of the task with a judgement for every stage."""
    before: str | None
    """The item before this one in the rater's order; None for the first."""
    upcoming: tuple[str, ...]
    """The items after the one to judge now, to fetch their pictures ahead."""


@dataclass(frozen=True)
class Receipt:
    """Proof that a judgement is stored: every value was read back from the database after the commit."""

    judgement_id: str
    saved_at: datetime
    revision: int
    is_new: bool
    """False: the same nonce had been submitted before, and this is what was stored then."""


@dataclass(frozen=True)
class Judged:
    """A rater's own latest judgement of one stage of an item."""

    item_id: str
    task_id: str
    stage_id: str
    revision: int
    answers: Answers
    submitted_at: datetime
