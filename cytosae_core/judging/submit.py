"""Saving a judgement: at most once, only what was shown, and never in a hurry."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from cytosae_core.errors import SubmitRefusedError
from cytosae_core.judging.models import DraftRow, JudgementRow
from cytosae_core.judging.presenting import Presenting
from cytosae_core.judging.records import Receipt, Screen
from cytosae_core.judging.rules import (
    Showing,
    Shown,
    check_text,
    latest_judgement,
    presentation,
    refuse_if_closed,
)
from cytosae_core.judging.standing import Standing, standing
from cytosae_core.judging.store import hold_rater
from cytosae_core.study.protocol import Answers, check_answers

MIN_VIEWING = timedelta(milliseconds=400)
"""Shorter than this nobody saw the pictures: a second click that was meant for the item before."""


class Submit(Presenting):
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
            is_new = self._submit(connection, rater_id, nonce, answers, overlay_used)
        return self._receipt(nonce, is_new)

    def submit_and_show_next(
        self,
        rater_id: str,
        nonce: str,
        answers: Mapping[str, Any],
        *,
        study_id: str,
        task_id: str,
        app_version: str,
        overlay_used: bool = False,
    ) -> tuple[Receipt, Screen | None]:
        """As `submit`, and as `show_next` of the task, in one transaction: both are stored, or neither is."""
        study = self.load_study(study_id)
        with self._writing() as connection:
            is_new = self._submit(connection, rater_id, nonce, answers, overlay_used)
            screen = self._show_next(connection, rater_id, study, task_id, app_version)
        return self._receipt(nonce, is_new), screen

    def _submit(
        self, connection: Connection, rater_id: str, nonce: str, answers: Mapping[str, Any], overlay_used: bool
    ) -> bool:
        """Whether a judgement was stored; False: it stood there already."""
        hold_rater(connection, rater_id)
        shown = presentation(connection, rater_id, nonce)
        study = self.load_study(shown.study_id)
        task = study.task(study.item(shown.item_id).task_id)
        showing = Showing(rater_id, shown.study_id, shown.item_id, task, task.stage(shown.stage_id), shown.revision)
        if shown.stored_at is None:
            self._store(connection, shown, showing, answers, overlay_used)
            return True
        if _checked(showing, answers) != shown.stored_answers:
            raise SubmitRefusedError(
                f"this item was already saved at {shown.stored_at:%H:%M:%S} UTC with other answers; "
                "open it again to revise it"
            )
        return False

    def _store(
        self,
        connection: Connection,
        shown: Shown,
        showing: Showing,
        answers: Mapping[str, Any],
        overlay_used: bool,
    ) -> None:
        moment = self._clock()
        now = standing(connection, shown.rater_id, self.load_study(shown.study_id), showing.task.task_id)
        _refuse_if_judged_meanwhile(connection, showing, now)
        refuse_if_closed(connection, showing, now)
        _refuse_if_too_fast(shown.shown_at, moment)
        row = {
            **shown.taken_over,
            "judgement_id": uuid4().hex,
            "answers": _checked(showing, answers),
            "overlay_used": overlay_used or bool(shown.overlay_drafted),
            "submitted_at": moment,
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


def _refuse_if_too_fast(shown_at: datetime, now: datetime) -> None:
    if now - shown_at < MIN_VIEWING:
        milliseconds = (now - shown_at) / timedelta(milliseconds=1)
        raise SubmitRefusedError(
            f"this came {milliseconds:.0f} ms after the item was shown, so it was probably meant for the item before "
            "and nothing was saved; look at the pictures, then save"
        )


def _refuse_if_judged_meanwhile(connection: Connection, showing: Showing, now: Standing) -> None:
    if now.revisions.get((showing.item_id, showing.stage.stage_id), 0) < showing.revision:
        return
    latest = latest_judgement(connection, **showing.key)
    if latest is not None:
        raise SubmitRefusedError(
            f"this item was already saved at {latest.submitted_at:%H:%M:%S} UTC, from another window, so these answers "
            "were not stored; reload the page to see what was saved, and revise it if need be"
        )
