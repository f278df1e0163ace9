"""What a browser is told about the item on the screen: the one place where blinding is kept.

A turn holds pictures by names that tell nothing, maps on each picture's own scale (both of `study_pictures`), and
questions. It never holds a latent number, cluster, statistic, cell label, file name, digest or role, and a direction
only in a stage that reveals it.
"""

import dataclasses
from typing import Any

from app.resources import OpenStudy
from cytosae_core.judging.repository import Screen, Session

Payload = dict[str, Any]

N_PREFETCH = 2
"""Items whose pictures the browser fetches ahead."""


def turn(opened: OpenStudy, session: Session, screen: Screen | None) -> Payload:
    """What the browser shows of a screen; `{"state": "finished"}` when all are judged."""
    if screen is None:
        return {"state": "finished"}
    stages = screen.task.stages
    return {
        "state": "turn",
        "rater": session.rater_code,
        "study_id": opened.study.study_id,
        "task_title": screen.task.title,
        "stage_number": stages.index(screen.stage) + 1,
        "n_stages": len(stages),
        "position": screen.turn.position,
        "n_items": screen.turn.n_items,
        "n_done": screen.n_done,
        "prefetch": _prefetch(opened, screen),
        # Where the Previous key leads: the item before this one, at its last stage.
        "previous": {"item": screen.before, "stage": stages[-1].stage_id} if screen.before else None,
        "item_id": screen.item.item_id,
        "stage_id": screen.stage.stage_id,
        "groups": opened.pictures.groups(screen.item.item_id),
        "questions": [dataclasses.asdict(question) for question in screen.stage.questions],
        "direction": screen.item.direction if screen.stage.reveals_direction else None,
        "nonce": screen.presentation.nonce,
        "revision": screen.presentation.revision,
        "answers": screen.draft if screen.draft is not None else screen.presentation.previous or {},
    }


def _prefetch(opened: OpenStudy, screen: Screen) -> list[str]:
    item_ids = screen.upcoming[:N_PREFETCH]
    return [name for item_id in item_ids for name in opened.pictures.names(item_id)]
