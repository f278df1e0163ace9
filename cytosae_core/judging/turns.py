"""Whose turn it is: a rater's order, the place in it, and how far it is done."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from cytosae_core.errors import AnnotationError
from cytosae_core.judging.models import JudgementRow, OrderRow
from cytosae_core.judging.records import Progress, Turn
from cytosae_core.judging.store import Store
from cytosae_core.study.protocol import Task

Judgements = set[tuple[str, str]]
"""(item_id, stage_id) of what a rater has judged."""


class Turns(Store):
    """Queries about what comes next."""

    def order(self, rater_id: str, study_id: str, task_id: str) -> tuple[str, ...]:
        """The item ids of the task in the rater's stored order; raises AnnotationError when the rater has no part."""
        self.load_study(study_id).task(task_id)
        with self._reading() as connection:
            return order_of(connection, rater_id, study_id, task_id)

    def current(self, rater_id: str, study_id: str, task_id: str) -> Turn | None:
        """The first item and stage in the rater's order without a judgement; None when all are judged."""
        task = self.load_study(study_id).task(task_id)
        with self._reading() as connection:
            return turn_of(connection, rater_id, study_id, task)

    def upcoming(self, rater_id: str, study_id: str, task_id: str, n: int) -> list[str]:
        """At most `n` item ids that follow the current one, to fetch their pictures ahead; empty at the end."""
        task = self.load_study(study_id).task(task_id)
        with self._reading() as connection:
            turn = turn_of(connection, rater_id, study_id, task)
            order = order_of(connection, rater_id, study_id, task_id)
        return list(order[turn.position : turn.position + n]) if turn else []

    def progress(self, rater_id: str, study_id: str) -> dict[str, Progress]:
        """For each task, how many of its items have a judgement for every stage, and how many there are."""
        study = self.load_study(study_id)
        with self._reading() as connection:
            orders = {task.task_id: order_of(connection, rater_id, study_id, task.task_id) for task in study.tasks}
            judged = judged_by(connection, rater_id, study_id)
        return {
            task.task_id: Progress(
                n_done=sum(_open_stage(item_id, task, judged) is None for item_id in orders[task.task_id]),
                n_items=len(orders[task.task_id]),
            )
            for task in study.tasks
        }


def order_of(connection: Connection, rater_id: str, study_id: str, task_id: str) -> tuple[str, ...]:
    """The rater's stored order; raises AnnotationError when there is none."""
    mine = (OrderRow.rater_id == rater_id, OrderRow.study_id == study_id, OrderRow.task_id == task_id)
    order = tuple(connection.scalars(select(OrderRow.item_id).where(*mine).order_by(OrderRow.position)))
    if not order:
        raise AnnotationError(
            f"this rater has no items of task {task_id!r} in study {study_id!r}; add the rater with add_rater.py"
        )
    return order


def judged_by(connection: Connection, rater_id: str, study_id: str) -> Judgements:
    """All items and stages of the study that the rater has judged."""
    query = select(JudgementRow.item_id, JudgementRow.stage_id).where(
        JudgementRow.rater_id == rater_id, JudgementRow.study_id == study_id, JudgementRow.revision == 1
    )
    return {(item_id, stage_id) for item_id, stage_id in connection.execute(query)}


def turn_of(connection: Connection, rater_id: str, study_id: str, task: Task) -> Turn | None:
    """The rater's turn in the task; None when everything is judged."""
    order = order_of(connection, rater_id, study_id, task.task_id)
    return _first_open(order, task, judged_by(connection, rater_id, study_id))


def _first_open(order: Sequence[str], task: Task, judged: Judgements) -> Turn | None:
    for position, item_id in enumerate(order, start=1):
        stage_id = _open_stage(item_id, task, judged)
        if stage_id is not None:
            return Turn(item_id, stage_id, position, len(order))
    return None


def _open_stage(item_id: str, task: Task, judged: Judgements) -> str | None:
    return next((stage.stage_id for stage in task.stages if (item_id, stage.stage_id) not in judged), None)
