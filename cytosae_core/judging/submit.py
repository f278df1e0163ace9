"""Saving a judgement: at most once, only what was shown, and never in a hurry."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from cytosae_core.errors import SubmitRefusedError
from cytosae_core.judging.models import DraftRow, JudgementRow
from cytosae_core.judging.records import Receipt
from cytosae_core.judging.rules import (
    Showing,
    Shown,
    check_text,
    latest_judgement,
    presentation,
    refuse_if_closed,
)
from cytosae_core.judging.store import Store, hold_rater
from cytosae_core.study.protocol import Answers, check_answers

MIN_VIEWING = timedelta(milliseconds=400)
"""Shorter than this nobody saw the pictures: a second click that was meant for the item before."""


class Submit(Store):
    """Queries that store judgements."""

    def submit(self, rater_id: str, nonce: str, answers: Mapping[str, Any], *, overlay_used: bool = False) -> Receipt:
        """Store the judgement of what was shown under `nonce`; its draft is deleted in the same transaction.

        The overlay was used if `overlay_used` or a draft of this judgement says so.
        The receipt is read back from the database after the commit. Submitting a nonce again with the same answers
        stores nothing and gives the first receipt with `is_new` False. Raises AnswerError for answers that do not fit
        the questions; SubmitRefusedError when the nonce was submitted with other answers, or the item was judged
        meanwhile from elsewhere, is not the rater's turn, was shown less than 400 ms ago, or must no longer be revised
        because the direction was shown.
        """
        with self._writing() as connection:
            hold_rater(connection, rater_id)
            shown = presentation(connection, rater_id, nonce)
            showing = self._showing(shown)
            known = select(JudgementRow.answers, JudgementRow.submitted_at).where(JudgementRow.nonce == nonce)
            stored = connection.execute(known).one_or_none()
            if stored is None:
                self._store(connection, shown, showing, answers, overlay_used)
            elif _checked(showing, answers) != stored.answers:
                raise SubmitRefusedError(
                    f"this item was already saved at {stored.submitted_at:%H:%M:%S} UTC with other answers; "
                    "open it again to revise it"
                )
        return self._receipt(nonce, is_new=stored is None)

    def _showing(self, shown: Shown) -> Showing:
        study = self.load_study(shown.study_id)
        task = study.task(study.item(shown.item_id).task_id)
        return Showing(shown.rater_id, shown.study_id, shown.item_id, task, task.stage(shown.stage_id), shown.revision)

    def _store(
        self,
        connection: Connection,
        shown: Shown,
        showing: Showing,
        answers: Mapping[str, Any],
        overlay_used: bool,
    ) -> None:
        now = self._clock()
        _refuse_if_judged_meanwhile(connection, showing)
        refuse_if_closed(connection, showing)
        _refuse_if_too_fast(shown.shown_at, now)
        row = {
            **{name: value for name, value in shown._asdict().items() if name != "number"},
            "judgement_id": uuid4().hex,
            "answers": _checked(showing, answers),
            "overlay_used": overlay_used or _drafted_overlay(connection, showing.key),
            "submitted_at": now,
        }
        connection.execute(insert(JudgementRow), row)
        connection.execute(delete(DraftRow).filter_by(**showing.key))

    def _receipt(self, nonce: str, is_new: bool) -> Receipt:
        stored = select(JudgementRow.judgement_id, JudgementRow.submitted_at, JudgementRow.revision)
        with self._reading() as connection:
            row = connection.execute(stored.where(JudgementRow.nonce == nonce)).one()
        return Receipt(row.judgement_id, row.submitted_at, row.revision, is_new)


def _checked(showing: Showing, answers: Mapping[str, Any]) -> Answers:
    check_text(answers)
    return check_answers(showing.stage, answers)


def _drafted_overlay(connection: Connection, key: Mapping[str, str]) -> bool:
    return bool(connection.scalar(select(DraftRow.overlay_used).filter_by(**key)))


def _refuse_if_too_fast(shown_at: datetime, now: datetime) -> None:
    if now - shown_at < MIN_VIEWING:
        milliseconds = (now - shown_at) / timedelta(milliseconds=1)
        raise SubmitRefusedError(
            f"this came {milliseconds:.0f} ms after the item was shown, so it was probably meant for the item before "
            "and nothing was saved; look at the pictures, then save"
        )


def _refuse_if_judged_meanwhile(connection: Connection, showing: Showing) -> None:
    latest = latest_judgement(connection, **showing.key)
    if latest is not None and latest.revision >= showing.revision:
        raise SubmitRefusedError(
            f"this item was already saved at {latest.submitted_at:%H:%M:%S} UTC, from another window, so these answers "
            "were not stored; reload the page to see what was saved, and revise it if need be"
        )
