"""Saving a judgement: at most once, only what was shown, and never in a hurry."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, delete, insert, select

from cytosae_core.errors import SubmitRefusedError
from cytosae_core.judging.chain import chained
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
from cytosae_core.judging.standing import Standing, standing
from cytosae_core.judging.store import Store, hold_rater
from cytosae_core.judging.studies import Studies
from cytosae_core.study.protocol import Answers, check_answers

MIN_VIEWING = timedelta(milliseconds=400)
"""Shorter than this nobody saw the pictures: a second click that was meant for the item before."""


class Judgements:
    """Storing what raters decide."""

    def __init__(self, store: Store, studies: Studies) -> None:
        self._store, self._studies = store, studies

    def submit(self, rater_id: str, nonce: str, answers: Mapping[str, Any], *, overlay_used: bool = False) -> Receipt:
        """Store the judgement of what was shown under `nonce`; its draft is deleted in the same transaction.

        The overlay was used if `overlay_used` or a draft of this judgement says so.
        The receipt is read back from the database after the commit. Submitting a nonce again with the same answers
        stores nothing and gives the first receipt with `is_new` False. Raises AnswerError for answers that do not fit
        the questions; SubmitRefusedError when the nonce was submitted with other answers, or the item was judged
        meanwhile from elsewhere, is not the rater's turn, was shown less than 400 ms ago, or must no longer be revised
        because the direction was shown.
        """
        with self._store.writing() as connection:
            is_new = self.record(connection, rater_id, nonce, answers, overlay_used=overlay_used)
        return self.receipt(nonce, is_new)

    def record(
        self, connection: Connection, rater_id: str, nonce: str, answers: Mapping[str, Any], *, overlay_used: bool
    ) -> bool:
        """As `submit`, in the caller's transaction; returns whether it stored anything, False for a repeated nonce.

        Nothing is to be acknowledged before the transaction is committed and `receipt` has read the row.
        """
        hold_rater(connection, rater_id)
        shown = presentation(connection, rater_id, nonce)
        study = self._studies.load(shown.study_id)
        task = study.task(study.item(shown.item_id).task_id)
        showing = Showing(rater_id, shown.study_id, shown.item_id, task, task.stage(shown.stage_id), shown.revision)
        if shown.stored_at is None:
            self._insert(connection, shown, showing, answers, overlay_used)
            return True
        if _checked(showing, answers) != shown.stored_answers:
            raise SubmitRefusedError(
                f"this item was already saved at {shown.stored_at:%H:%M:%S} UTC with other answers; "
                "open it again to revise it"
            )
        return False

    def receipt(self, nonce: str, is_new: bool) -> Receipt:
        """What the database holds under the nonce, read in a transaction of its own."""
        stored = select(JudgementRow.judgement_id, JudgementRow.submitted_at, JudgementRow.revision)
        with self._store.reading() as connection:
            row = connection.execute(stored.where(JudgementRow.nonce == nonce)).one()
        return Receipt(row.judgement_id, row.submitted_at, row.revision, is_new)

    def _insert(
        self,
        connection: Connection,
        shown: Shown,
        showing: Showing,
        answers: Mapping[str, Any],
        overlay_used: bool,
    ) -> None:
        moment = self._store.now()
        now = standing(connection, shown.rater_id, self._studies.load(shown.study_id), showing.task.task_id)
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
        connection.execute(insert(JudgementRow), chained(connection, row))
        connection.execute(delete(DraftRow).filter_by(**showing.key))


def _checked(showing: Showing, answers: Mapping[str, Any]) -> Answers:
    check_text(answers)
    return check_answers(showing.stage, answers)


def _refuse_if_too_fast(shown_at: datetime, now: datetime) -> None:
    # A clock that stepped back says nothing about the time between, and must block nobody until it has caught up.
    if timedelta(0) <= now - shown_at < MIN_VIEWING:
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
