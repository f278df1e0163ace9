"""Where a rater stands in a task: the order, and all of it that is judged, read by one query."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, select

from cytosae_core.errors import AnnotationError
from cytosae_core.judging.models import JudgementRow, OrderRow, StudyStateRow
from cytosae_core.judging.records import Progress, Turn
from cytosae_core.study.protocol import Study, Task


@dataclass(frozen=True)
class Standing:
    """One rater in one task, at one moment. All that the desk says about turns and progress follows from it."""

    rater_id: str
    study: Study
    task: Task
    order: tuple[str, ...]
    """Item ids in the rater's own order."""
    revisions: Mapping[tuple[str, str], int]
    """(item_id, stage_id) -> revision of the latest judgement; what was never judged is not there."""
    closed_at: datetime | None = None
    """When the study was closed; None: it goes on."""
    unblinded_at: datetime | None = None
    """When the study was unblinded; None: it was not."""

    @property
    def current(self) -> Turn | None:
        """The first item and stage without a judgement; None when all are judged."""
        return next((self.turn(item_id, stage) for item_id in self.order if (stage := self._open_stage(item_id))), None)

    @property
    def progress(self) -> Progress:
        """How many items have a judgement for every stage."""
        return Progress(sum(self._open_stage(item_id) is None for item_id in self.order), len(self.order))

    @property
    def upcoming(self) -> tuple[str, ...]:
        """The items after the current one; none at the end."""
        current = self.current
        return self.order[current.position :] if current else ()

    def turn(self, item_id: str, stage_id: str) -> Turn:
        """A stage of an item of the order, with its place there."""
        return Turn(item_id, stage_id, self.order.index(item_id) + 1, len(self.order))

    def before(self, item_id: str) -> str | None:
        """The item before this one in the order; None for the first."""
        index = self.order.index(item_id)
        return self.order[index - 1] if index else None

    def _open_stage(self, item_id: str) -> str | None:
        stages = (stage.stage_id for stage in self.task.stages)
        return next((stage_id for stage_id in stages if (item_id, stage_id) not in self.revisions), None)


def standing(connection: Connection, rater_id: str, study: Study, task_id: str) -> Standing:
    """Where the rater stands in the task.

    Raises AnnotationError when the rater has no part in it, StudyError when the study has no such task.
    """
    return standings(connection, rater_id, study, [study.task(task_id)])[task_id]


def standings(connection: Connection, rater_id: str, study: Study, tasks: Iterable[Task]) -> dict[str, Standing]:
    """Where the rater stands in each task, by its id; raises AnnotationError when the rater has no part in one."""
    by_id = {task.task_id: task for task in tasks}
    orders: dict[str, dict[str, None]] = {task_id: {} for task_id in by_id}
    revisions: dict[str, dict[tuple[str, str], int]] = {task_id: {} for task_id in by_id}
    mine = (OrderRow.rater_id == rater_id, OrderRow.study_id == study.study_id, OrderRow.task_id.in_(list(by_id)))
    moments: list[datetime | None] = [None, None]  # of the study, and so the same in all rows
    for task_id, item_id, stage_id, revision, *moments in connection.execute(_STANDINGS.where(*mine)):  # noqa: B007
        orders[task_id][item_id] = None  # once, however often it was judged
        if stage_id is not None:
            judged = revisions[task_id]
            judged[item_id, stage_id] = max(revision, judged.get((item_id, stage_id), 0))
    for task_id, order in orders.items():
        if not order:
            raise AnnotationError(
                f"this rater has no items of task {task_id!r} in study {study.study_id!r}; "
                "add the rater with add_rater.py"
            )
    return {
        task_id: Standing(rater_id, study, task, tuple(orders[task_id]), revisions[task_id], *moments)
        for task_id, task in by_id.items()
    }


_STANDINGS = (
    select(
        OrderRow.task_id,
        OrderRow.item_id,
        JudgementRow.stage_id,
        JudgementRow.revision,
        StudyStateRow.closed_at,
        StudyStateRow.unblinded_at,
    )
    .outerjoin(StudyStateRow, StudyStateRow.study_id == OrderRow.study_id)
    .outerjoin(
        JudgementRow,
        and_(
            JudgementRow.rater_id == OrderRow.rater_id,
            JudgementRow.study_id == OrderRow.study_id,
            JudgementRow.item_id == OrderRow.item_id,
        ),
    )
    .order_by(OrderRow.position)
)
