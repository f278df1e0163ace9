"""What a browser is told about the item on the screen: the one place where blinding is kept.

A turn holds pictures by the digest of their bytes, maps on the latent's own scale, and questions. It never
holds a latent number, cluster, statistic, cell label, file name or role, and a direction only in a stage
that reveals it.
"""

import base64
import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from app.resources import APP_VERSION, OpenStudy, repository
from cytosae_core.errors import StudyError
from cytosae_core.judging.repository import Presentation, Session, Turn
from cytosae_core.study.protocol import Answers, Item, Picture, Stage

Payload = dict[str, Any]

N_PREFETCH = 2
"""Items whose pictures the browser fetches ahead."""

TITLES = {"mll23": "MLL23", "acevedo": "Acevedo", "matek": "Matek", "bmc": "Bone marrow", "hehr": "AML Hehr"}


def next_turn(opened: OpenStudy, session: Session, task_id: str) -> Payload:
    """The rater's current item of a task, recorded as shown; `{"state": "finished"}` when all are judged."""
    turn = repository().current(session.rater_id, opened.study.study_id, task_id)
    if turn is None:
        return {"state": "finished"}
    return _turn(opened, session, task_id, turn)


def chosen_turn(opened: OpenStudy, session: Session, task_id: str, item_id: str, stage_id: str) -> Payload:
    """One item and stage that the rater judged before, for a revision.

    Raises StudyError for any other: nobody sees an item, or a direction, ahead of time.
    """
    judged = repository().my_judgements(session.rater_id, opened.study.study_id)
    if (task_id, item_id, stage_id) not in {(one.task_id, one.item_id, one.stage_id) for one in judged}:
        raise StudyError(f"item {item_id!r} was not judged yet; go on with the current one")
    order = repository().order(session.rater_id, opened.study.study_id, task_id)
    return _turn(opened, session, task_id, Turn(item_id, stage_id, order.index(item_id) + 1, len(order)))


def _turn(opened: OpenStudy, session: Session, task_id: str, turn: Turn) -> Payload:
    rater_id = session.rater_id
    item = opened.items[turn.item_id]
    task = opened.study.task(task_id)
    stage = task.stage(turn.stage_id)
    shown = repository().present(
        rater_id, opened.study.study_id, item.item_id, stage.stage_id, item.pictures_digest, APP_VERSION
    )
    return {
        "state": "turn",
        "rater": session.rater_code,
        "study_id": opened.study.study_id,
        "task_title": task.title,
        "stage_number": task.stages.index(stage) + 1,
        "n_stages": len(task.stages),
        "position": turn.position,
        "n_items": turn.n_items,
        "n_done": repository().progress(rater_id, opened.study.study_id)[task_id].n_done,
        "prefetch": _prefetch(opened, rater_id, task_id),
        "previous": _previous(opened, rater_id, task_id, turn),
        **_item(opened, item, stage),
        **_presentation(shown, repository().draft(rater_id, item.item_id, stage.stage_id)),
    }


def _item(opened: OpenStudy, item: Item, stage: Stage) -> Payload:
    return {
        "item_id": item.item_id,
        "stage_id": stage.stage_id,
        "groups": _groups(opened, item),
        "questions": [dataclasses.asdict(question) for question in stage.questions],
        "direction": item.direction if stage.reveals_direction else None,
    }


def _presentation(shown: Presentation, draft: Answers | None) -> Payload:
    return {
        "nonce": shown.nonce,
        "revision": shown.revision,
        "answers": draft if draft is not None else shown.previous or {},
    }


def _groups(opened: OpenStudy, item: Item) -> list[Payload]:
    names = dict.fromkeys(picture.dataset for picture in item.pictures)
    scale = _map_scale(opened, item)
    return [
        {
            "title": _title(opened, name),
            "um_per_px": opened.study.um_per_px.get(name),
            "frames": [_frame(opened, picture, scale) for picture in item.pictures if picture.dataset == name],
        }
        for name in names
    ]


def _title(opened: OpenStudy, dataset: str) -> str:
    """The data set's name as people know it; drawn cells only have the look of it."""
    is_drawn = any(info.simulated for info in opened.atlas.datasets if info.name == dataset)
    return f"SIMULATED, in the look of {TITLES.get(dataset, dataset)}" if is_drawn else TITLES.get(dataset, dataset)


def _map_scale(opened: OpenStudy, item: Item) -> float:
    indices = [picture.map_index for picture in item.pictures if picture.map_index is not None]
    return max((float(opened.atlas.map(index).max()) for index in indices), default=0.0)


def _frame(opened: OpenStudy, picture: Picture, scale: float) -> Payload:
    return {"picture": picture.sha256, "map": _map(opened, picture, scale) if picture.sha256 else None}


def _map(opened: OpenStudy, picture: Picture, scale: float) -> str | None:
    """The 16 x 16 map as base64 bytes; 255 is the maximum over all pictures of the item, so that colours compare.

    The same rule serves decoys, whose pictures come from several latents: a decoy must not be known by its maps.
    """
    if picture.map_index is None:
        return None
    share = opened.atlas.map(picture.map_index) / scale if scale > 0 else np.zeros((16, 16))
    return base64.b64encode(np.rint(share * 255).astype(np.uint8).tobytes()).decode()


def _prefetch(opened: OpenStudy, rater_id: str, task_id: str) -> list[str]:
    item_ids = repository().upcoming(rater_id, opened.study.study_id, task_id, N_PREFETCH)
    return list(dict.fromkeys(_digests(opened.items[item_id] for item_id in item_ids)))


def _digests(items: Iterable[Item]) -> Iterable[str]:
    return (picture.sha256 for item in items for picture in item.pictures if picture.sha256)


def _previous(opened: OpenStudy, rater_id: str, task_id: str, turn: Turn) -> Payload | None:
    """Where the Previous key leads: the judged item before this one, at its last stage."""
    order = repository().order(rater_id, opened.study.study_id, task_id)
    if turn.position < 2:
        return None
    return {"item": order[turn.position - 2], "stage": opened.study.task(task_id).stages[-1].stage_id}
