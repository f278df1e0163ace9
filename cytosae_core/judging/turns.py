"""Whose turn it is: a rater's order, the place in it, and how far it is done."""

from cytosae_core.judging.records import Progress, Turn
from cytosae_core.judging.standing import standing, standings
from cytosae_core.judging.store import Store


class Turns(Store):
    """Queries about what comes next."""

    def order(self, rater_id: str, study_id: str, task_id: str) -> tuple[str, ...]:
        """The item ids of the task in the rater's stored order; raises AnnotationError when the rater has no part."""
        study = self.load_study(study_id)
        with self._reading() as connection:
            return standing(connection, rater_id, study, task_id).order

    def current(self, rater_id: str, study_id: str, task_id: str) -> Turn | None:
        """The first item and stage in the rater's order without a judgement; None when all are judged."""
        study = self.load_study(study_id)
        with self._reading() as connection:
            return standing(connection, rater_id, study, task_id).current

    def progress(self, rater_id: str, study_id: str) -> dict[str, Progress]:
        """For each task, how many of its items have a judgement for every stage, and how many there are."""
        study = self.load_study(study_id)
        with self._reading() as connection:
            found = standings(connection, rater_id, study, study.tasks)
        return {task_id: one.progress for task_id, one in found.items()}
