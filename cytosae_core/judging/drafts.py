"""Keeping what was chosen but not yet saved: drafts may come late, twice and out of order."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from cytosae_core.errors import AnswerError, SubmitRefusedError
from cytosae_core.judging.models import DraftRow
from cytosae_core.judging.rules import Shown, check_draft, latest_judgement, presentation
from cytosae_core.judging.store import Store, hold_rater
from cytosae_core.judging.studies import Studies
from cytosae_core.study.protocol import Stage

_MAX_SEQUENCE = 2**53 - 1
"""The largest whole number that a browser counts to."""


class Drafts:
    """Answers that are not submitted yet."""

    def __init__(self, store: Store, studies: Studies) -> None:
        self._store, self._studies = store, studies

    def save(
        self, rater_id: str, nonce: str, answers: Mapping[str, Any], *, sequence: int, overlay_used: bool = False
    ) -> datetime:
        """Keep answers to what was shown under `nonce`; returns when the kept draft was saved, as read back.

        `sequence` rises with each draft of a presentation. A draft of an older presentation than the kept one's, or of
        the same with no higher sequence, is late: the kept one stays. `overlay_used` is kept in any case, and once
        true it stays true until the item's stage is judged. Raises SubmitRefusedError when nothing was shown under the
        nonce, or the item was saved since (a late draft must not come back to life); AnswerError for answers that no
        question asked for, and for a sequence that no browser counts to.
        """
        if not 0 <= sequence <= _MAX_SEQUENCE:
            raise AnswerError(f"the draft has sequence {sequence}, not one from 0 to {_MAX_SEQUENCE}; reload the page")
        with self._store.writing() as connection:
            hold_rater(connection, rater_id)
            shown = presentation(connection, rater_id, nonce)
            _refuse_if_judged(connection, shown)
            kept = check_draft(self._stage(shown), answers)
            row = {"answers": kept, "number": shown.number, "sequence": sequence, "saved_at": self._store.now()}
            _keep(connection, shown.key, row, overlay_used)
        with self._store.reading() as connection:
            return connection.execute(select(DraftRow.saved_at).filter_by(**shown.key)).scalar_one()

    def _stage(self, shown: Shown) -> Stage:
        study = self._studies.load(shown.study_id)
        return study.task(study.item(shown.item_id).task_id).stage(shown.stage_id)


def _refuse_if_judged(connection: Connection, shown: Shown) -> None:
    latest = latest_judgement(connection, **shown.key)
    if latest is not None and latest.revision >= shown.revision:
        raise SubmitRefusedError(
            f"this item was already saved at {latest.submitted_at:%H:%M:%S} UTC; reload the page to see it"
        )


def _keep(connection: Connection, key: Mapping[str, str], row: Mapping[str, Any], overlay_used: bool) -> None:
    """Store the draft unless a newer one is kept; the overlay was used if either says so."""
    query = select(DraftRow.number, DraftRow.sequence, DraftRow.overlay_used).filter_by(**key)
    kept = connection.execute(query).one_or_none()
    if kept is None:
        connection.execute(insert(DraftRow), {**key, **row, "overlay_used": overlay_used})
        return
    is_newer = (row["number"], row["sequence"]) > (kept.number, kept.sequence)
    values = {**(row if is_newer else {}), "overlay_used": kept.overlay_used or overlay_used}
    connection.execute(update(DraftRow).filter_by(**key).values(**values))
