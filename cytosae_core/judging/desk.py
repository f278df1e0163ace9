"""Whose turn it is, and what is on a rater's screen."""

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select

from cytosae_core.errors import StudyError, SubmitRefusedError
from cytosae_core.judging.judgements import Judgements
from cytosae_core.judging.models import DraftRow, JudgementRow, PresentationRow
from cytosae_core.judging.records import Presentation, Progress, Receipt, Screen, Turn
from cytosae_core.judging.rules import Showing, refuse_if_closed
from cytosae_core.judging.standing import Standing, standing, standings
from cytosae_core.judging.store import Store, hold_rater
from cytosae_core.judging.studies import Studies
from cytosae_core.study.protocol import Answers, Study


class Desk:
    """Where a rater stands, and what the rater is shown.

    A rater sees the current item and stage, and those judged before (to revise them). All raise SubmitRefusedError for
    a stage that must no longer be revised because a later stage told the direction, AnnotationError when the rater has
    no part in the task, and StudyError when there is no such study, task, item or stage.
    """

    def __init__(self, store: Store, studies: Studies, judgements: Judgements) -> None:
        self._store, self._studies, self._judgements = store, studies, judgements

    def order(self, rater_id: str, study_id: str, task_id: str) -> tuple[str, ...]:
        """The item ids of the task in the rater's stored order."""
        study = self._studies.load(study_id)
        with self._store.reading() as connection:
            return standing(connection, rater_id, study, task_id).order

    def current(self, rater_id: str, study_id: str, task_id: str) -> Turn | None:
        """The first item and stage in the rater's order without a judgement; None when all are judged."""
        study = self._studies.load(study_id)
        with self._store.reading() as connection:
            return standing(connection, rater_id, study, task_id).current

    def progress(self, rater_id: str, study_id: str) -> dict[str, Progress]:
        """For each task, how many of its items have a judgement for every stage, and how many there are."""
        study = self._studies.load(study_id)
        with self._store.reading() as connection:
            found = standings(connection, rater_id, study, study.tasks)
        return {task_id: one.progress for task_id, one in found.items()}

    def show_next(self, rater_id: str, study_id: str, task_id: str, app_version: str) -> Screen | None:
        """The rater's current item of the task, recorded as shown; None when all are judged."""
        study = self._studies.load(study_id)
        with self._store.writing() as connection:
            hold_rater(connection, rater_id)
            return self._show_next(connection, rater_id, study, task_id, app_version)

    def show_judged(
        self, rater_id: str, study_id: str, task_id: str, item_id: str, stage_id: str, app_version: str
    ) -> Screen:
        """One item and stage that the rater judged before, recorded as shown again.

        Raises StudyError for any other: nobody sees an item, or a direction, ahead of time.
        """
        study = self._studies.load(study_id)
        with self._store.writing() as connection:
            hold_rater(connection, rater_id)
            now = standing(connection, rater_id, study, task_id)
            if (item_id, stage_id) not in now.revisions:
                raise StudyError(f"item {item_id!r} was not judged yet; go on with the current one")
            return self._show(connection, now, item_id, stage_id, app_version)

    def present(
        self, rater_id: str, study_id: str, item_id: str, stage_id: str, pictures_digest: str, app_version: str
    ) -> Presentation:
        """Record that the item is being shown with these pictures, and get the nonce under which it can be judged.

        For a caller that chooses the item itself: raises SubmitRefusedError for one that is neither current nor judged,
        and for pictures that are not the item's.
        """
        study = self._studies.load(study_id)
        item = study.item(item_id)
        study.task(item.task_id).stage(stage_id)
        if pictures_digest != item.pictures_digest:
            raise SubmitRefusedError(
                f"the pictures on the screen (digest {pictures_digest[:12]!r}) are not those of item {item_id!r} "
                f"({item.pictures_digest[:12]!r}); reload the page, and check that the atlas is the study's"
            )
        with self._store.writing() as connection:
            hold_rater(connection, rater_id)
            now = standing(connection, rater_id, study, item.task_id)
            return self._show(connection, now, item_id, stage_id, app_version).presentation

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
        """As `Judgements.submit`, and as `show_next` of the task, in one transaction: both are stored, or neither is.

        The receipt is read back after the commit.
        """
        study = self._studies.load(study_id)
        with self._store.writing() as connection:
            is_new = self._judgements.record(connection, rater_id, nonce, answers, overlay_used=overlay_used)
            screen = self._show_next(connection, rater_id, study, task_id, app_version)
        return self._judgements.receipt(nonce, is_new), screen

    def _show_next(
        self, connection: Connection, rater_id: str, study: Study, task_id: str, app_version: str
    ) -> Screen | None:
        now = standing(connection, rater_id, study, task_id)
        turn = now.current
        return self._show(connection, now, turn.item_id, turn.stage_id, app_version) if turn else None

    def _show(self, connection: Connection, now: Standing, item_id: str, stage_id: str, app_version: str) -> Screen:
        item, stage = now.study.item(item_id), now.task.stage(stage_id)
        revision = now.revisions.get((item_id, stage_id), 0) + 1
        showing = Showing(now.rater_id, now.study.study_id, item_id, now.task, stage, revision)
        refuse_if_closed(connection, showing, now)
        draft, previous = _answers(connection, showing)
        presentation = Presentation(secrets.token_urlsafe(24), self._store.now(), revision, previous)
        row = {
            **showing.key,
            "revision": revision,
            "number": _next_number(now.rater_id),
            "nonce": presentation.nonce,
            "shown_at": presentation.shown_at,
            "pictures_digest": item.pictures_digest,
            "app_version": app_version,
        }
        connection.execute(insert(PresentationRow).values(**row))
        return Screen(
            item=item,
            task=now.task,
            stage=stage,
            turn=now.turn(item_id, stage_id),
            presentation=presentation,
            draft=draft,
            n_done=now.progress.n_done,
            before=now.before(item_id),
            upcoming=now.upcoming,
        )


def _next_number(rater_id: str) -> ColumnElement[int]:
    last = select(func.max(PresentationRow.number)).where(PresentationRow.rater_id == rater_id)
    return func.coalesce(last.scalar_subquery(), 0) + 1


def _answers(connection: Connection, showing: Showing) -> tuple[Answers | None, Answers | None]:
    """The kept draft of what is shown, and the answers of its latest judgement."""
    draft = select(DraftRow.answers).filter_by(**showing.key)
    latest = select(JudgementRow.answers).filter_by(**showing.key, revision=showing.revision - 1)
    row = connection.execute(select(draft.scalar_subquery(), latest.scalar_subquery())).one()
    return row[0], row[1]
