"""Showing an item to a rater, and keeping what was chosen but not yet saved."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from cytosae_core.annotation.models import DraftRow, JudgementRow, PresentationRow
from cytosae_core.annotation.protocol import Answers, Stage
from cytosae_core.annotation.records import Presentation
from cytosae_core.annotation.rules import Showing, check_draft, latest_judgement, refuse_if_closed
from cytosae_core.annotation.store import Store, hold_rater
from cytosae_core.errors import SubmitRefusedError


class Presenting(Store):
    """Queries about what is on a rater's screen."""

    def present(
        self, rater_id: str, study_id: str, item_id: str, stage_id: str, pictures_digest: str, app_version: str
    ) -> Presentation:
        """Record that the item is being shown, and get the nonce under which it can be judged.

        Allowed are the rater's current item and stage, and those judged before (to revise them). Raises
        SubmitRefusedError for any other, for pictures that are not the item's, and for a stage that must no longer be
        revised because a later stage told the direction; StudyError for an unknown item or stage.
        """
        study = self.load_study(study_id)
        item = study.item(item_id)
        task = study.task(item.task_id)
        stage = task.stage(stage_id)
        if pictures_digest != item.pictures_digest:
            raise SubmitRefusedError(
                f"the pictures on the screen (digest {pictures_digest[:12]!r}) are not those of item {item_id!r} "
                f"({item.pictures_digest[:12]!r}); reload the page, and check that the atlas is the study's"
            )
        with self._writing() as connection:
            hold_rater(connection, rater_id)
            previous = latest_judgement(connection, rater_id, study_id, item_id, stage_id)
            showing = Showing(rater_id, study_id, item_id, task, stage, previous.revision + 1 if previous else 1)
            refuse_if_closed(connection, showing)
            nonce, shown_at = secrets.token_urlsafe(24), self._clock()
            row = {**showing.key, "revision": showing.revision, "nonce": nonce, "shown_at": shown_at}
            shown = {"pictures_digest": pictures_digest, "app_version": app_version}
            connection.execute(insert(PresentationRow), {**row, **shown})
        return Presentation(nonce, shown_at, showing.revision, previous.answers if previous else None)

    def save_draft(self, rater_id: str, item_id: str, stage_id: str, answers: Mapping[str, Any]) -> datetime:
        """Keep answers that are not submitted yet; returns the time as read back from the database after the commit.

        Raises SubmitRefusedError when the item was never shown to the rater, or was saved since it was last shown
        (a late draft must not come back to life); AnswerError for answers that no question asked for.
        """
        with self._writing() as connection:
            hold_rater(connection, rater_id)
            study_id = _study_last_shown(connection, rater_id, item_id, stage_id)
            kept = check_draft(self._stage(study_id, item_id, stage_id), answers)
            values = {"answers": kept, "saved_at": self._clock()}
            key = {"rater_id": rater_id, "study_id": study_id, "item_id": item_id, "stage_id": stage_id}
            changed = connection.execute(update(DraftRow).filter_by(**key).values(**values))
            if changed.rowcount == 0:
                connection.execute(insert(DraftRow), {**key, **values})
        with self._reading() as connection:
            return connection.execute(select(DraftRow.saved_at).filter_by(**key)).scalar_one()

    def draft(self, rater_id: str, item_id: str, stage_id: str) -> Answers | None:
        """The kept answers of the item as it was last shown to the rater; None when there are none."""
        mine = select(DraftRow.answers).filter_by(rater_id=rater_id, item_id=item_id, stage_id=stage_id)
        with self._reading() as connection:
            newest = connection.execute(_newest(rater_id, item_id, stage_id)).one_or_none()
            return connection.scalar(mine.where(DraftRow.study_id == newest.study_id)) if newest else None

    def _stage(self, study_id: str, item_id: str, stage_id: str) -> Stage:
        study = self.load_study(study_id)
        return study.task(study.item(item_id).task_id).stage(stage_id)


def _study_last_shown(connection: Connection, rater_id: str, item_id: str, stage_id: str) -> str:
    row = connection.execute(_newest(rater_id, item_id, stage_id)).one_or_none()
    if row is None:
        raise SubmitRefusedError(f"item {item_id!r} was not shown to you yet; reload the page")
    if row.submitted_at is not None:
        raise SubmitRefusedError(
            f"this item was already saved at {row.submitted_at:%H:%M:%S} UTC; reload the page to see it"
        )
    return str(row.study_id)


def _newest(rater_id: str, item_id: str, stage_id: str) -> Select[str, datetime]:
    """Study of the newest presentation, and when that was judged (None: not yet)."""
    return (
        select(PresentationRow.study_id, JudgementRow.submitted_at)
        .outerjoin(JudgementRow, JudgementRow.nonce == PresentationRow.nonce)
        .where(
            PresentationRow.rater_id == rater_id,
            PresentationRow.item_id == item_id,
            PresentationRow.stage_id == stage_id,
        )
        .order_by(PresentationRow.shown_at.desc(), PresentationRow.revision.desc())
        .limit(1)
    )
