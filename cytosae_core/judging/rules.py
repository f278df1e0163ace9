"""When a judgement may be stored: checked when an item is shown, and again when it is saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, select

from cytosae_core.errors import AnswerError, SubmitRefusedError
from cytosae_core.judging.models import DraftRow, JudgementRow, PresentationRow
from cytosae_core.judging.standing import Standing
from cytosae_core.study.protocol import Answers, Stage, Task

_MAX_DRAFT = 100_000
_KEY = ("rater_id", "study_id", "item_id", "stage_id")
_TAKEN_OVER = ("nonce", *_KEY, "revision", "pictures_digest", "app_version", "shown_at")
"""What a judgement has in common with its presentation."""


@dataclass(frozen=True)
class Showing:
    """One stage of an item on a rater's screen, for the judgement of this revision."""

    rater_id: str
    study_id: str
    item_id: str
    task: Task
    stage: Stage
    revision: int

    @property
    def key(self) -> dict[str, str]:
        """The columns that name what is judged by whom."""
        return {
            "rater_id": self.rater_id,
            "study_id": self.study_id,
            "item_id": self.item_id,
            "stage_id": self.stage.stage_id,
        }


class Latest(NamedTuple):
    """The latest judgement of a stage of an item."""

    revision: int
    answers: Answers
    submitted_at: datetime


class Shown(NamedTuple):
    """What was shown under a nonce, and what has come of it since."""

    number: int
    nonce: str
    rater_id: str
    study_id: str
    item_id: str
    stage_id: str
    revision: int
    pictures_digest: str
    app_version: str
    shown_at: datetime
    stored_answers: Answers | None
    """What was submitted under this nonce; None: nothing yet."""
    stored_at: datetime | None
    overlay_drafted: bool | None
    """Whether a draft says that the overlay was used; None: there is no draft."""

    @property
    def key(self) -> dict[str, str]:
        """The columns that name what is judged by whom."""
        return {name: getattr(self, name) for name in _KEY}

    @property
    def taken_over(self) -> dict[str, Any]:
        """The columns that a judgement takes over from its presentation."""
        return {name: getattr(self, name) for name in _TAKEN_OVER}


def presentation(connection: Connection, rater_id: str, nonce: str) -> Shown:
    """What the rater was shown under the nonce; raises SubmitRefusedError when that is nothing."""
    mine = (PresentationRow.nonce == nonce, PresentationRow.rater_id == rater_id)
    row = connection.execute(_SHOWN.where(*mine)).one_or_none()
    if row is None:
        raise SubmitRefusedError(f"nothing was shown to you under {nonce!r}; reload the page and judge what it shows")
    return Shown._make(row)


_SHOWN = (
    select(
        *(PresentationRow.__table__.c[name] for name in ("number", *_TAKEN_OVER)),
        JudgementRow.answers,
        JudgementRow.submitted_at,
        DraftRow.overlay_used,
    )
    .outerjoin(JudgementRow, JudgementRow.nonce == PresentationRow.nonce)
    .outerjoin(DraftRow, and_(*(getattr(DraftRow, name) == getattr(PresentationRow, name) for name in _KEY)))
)


def latest_judgement(
    connection: Connection, rater_id: str, study_id: str, item_id: str, stage_id: str
) -> Latest | None:
    """The rater's latest judgement of the stage; None: not judged yet."""
    query = (
        select(JudgementRow.revision, JudgementRow.answers, JudgementRow.submitted_at)
        .filter_by(rater_id=rater_id, study_id=study_id, item_id=item_id, stage_id=stage_id)
        .order_by(JudgementRow.revision.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return Latest(*row) if row else None


def refuse_if_closed(connection: Connection, showing: Showing, now: Standing) -> None:
    """Raise SubmitRefusedError unless this is the rater's turn, or a revision that is still allowed."""
    if now.closed_at is not None:
        raise SubmitRefusedError(
            f"the study was closed at {now.closed_at:%Y-%m-%d %H:%M} UTC, so nothing is stored any more; all that was "
            "saved before is kept. Ask the coordinator, who can open it again"
        )
    if showing.revision > 1 and now.unblinded_at is not None:
        raise SubmitRefusedError(
            f"the study was unblinded at {now.unblinded_at:%Y-%m-%d %H:%M} UTC, so saved answers can no longer be "
            "changed. Your answer stays as it is"
        )
    if showing.revision > 1:
        _refuse_after_reveal(connection, showing)
    else:
        _refuse_out_of_turn(showing, now)


def check_draft(stage: Stage, answers: Mapping[str, Any]) -> Answers:
    """The answers of a draft, which may be incomplete; raises AnswerError when they can belong to no draft."""
    known = {question.question_id for question in stage.questions}
    for name, value in answers.items():
        if name not in known:
            raise AnswerError(f"{name!r} is not a question of stage {stage.stage_id!r}; reload the page")
        if not isinstance(value, str) and not _is_list_of_text(value):
            raise AnswerError(f"the answer to {name!r} must be text or a list of texts, not {type(value).__name__}")
    check_text(answers)
    n_characters = len(str(answers))
    if n_characters > _MAX_DRAFT:
        raise AnswerError(f"the draft has {n_characters} characters; at most {_MAX_DRAFT} are kept, so shorten it")
    return dict(answers)


def check_text(answers: Mapping[str, Any]) -> None:
    """Raise AnswerError for text that no database can store: half of a surrogate pair, as broken pasting leaves it."""
    for name, value in answers.items():
        try:
            str(value).encode()
        except UnicodeEncodeError as error:
            raise AnswerError(
                f"the answer to {name!r} has half a character at place {error.start + 1}, which cannot be stored; "
                "delete it and type it again"
            ) from error


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _refuse_out_of_turn(showing: Showing, now: Standing) -> None:
    turn = now.current
    if turn is None or (turn.item_id, turn.stage_id) != (showing.item_id, showing.stage.stage_id):
        raise SubmitRefusedError(
            f"item {showing.item_id!r}, stage {showing.stage.stage_id!r}, is not the one to judge now; "
            "reload the page to see the current item"
        )


def _refuse_after_reveal(connection: Connection, showing: Showing) -> None:
    stages = showing.task.stages
    later = stages[stages.index(showing.stage) + 1 :]
    revealing = [stage.stage_id for stage in later if stage.reveals_direction]
    shown = select(PresentationRow.shown_at).filter_by(**{**showing.key, "stage_id": PresentationRow.stage_id})
    shown = shown.where(PresentationRow.stage_id.in_(revealing)).order_by(PresentationRow.shown_at).limit(1)
    moment = connection.scalar(shown)
    if moment is not None:
        raise SubmitRefusedError(
            f"{showing.stage.title!r} can no longer be changed: the direction was shown at {moment:%H:%M:%S} UTC. "
            "Your first answer stays as it is; write what you would change into the comment"
        )
