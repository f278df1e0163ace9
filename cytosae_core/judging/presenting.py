"""Showing an item to a rater."""

import secrets

from sqlalchemy import Connection, func, insert, select

from cytosae_core.errors import SubmitRefusedError
from cytosae_core.judging.models import PresentationRow
from cytosae_core.judging.records import Presentation
from cytosae_core.judging.rules import Showing, latest_judgement, refuse_if_closed
from cytosae_core.judging.store import Store, hold_rater


class Presenting(Store):
    """Queries that record what is on a rater's screen."""

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
            row = {
                **showing.key,
                "revision": showing.revision,
                "number": _next_number(connection, rater_id),
                "nonce": nonce,
                "shown_at": shown_at,
                "pictures_digest": pictures_digest,
                "app_version": app_version,
            }
            connection.execute(insert(PresentationRow), row)
        return Presentation(nonce, shown_at, showing.revision, previous.answers if previous else None)


def _next_number(connection: Connection, rater_id: str) -> int:
    last = select(func.max(PresentationRow.number)).where(PresentationRow.rater_id == rater_id)
    return (connection.scalar(last) or 0) + 1
