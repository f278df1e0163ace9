"""What a browser is told about the item on the screen: the one place where blinding is kept.

A turn holds pictures by the digest of their bytes, maps on the latent's own scale, and questions. It never
holds a latent number, cluster, statistic, cell label, file name or role, and a direction only in a stage
that reveals it.
"""

import base64
import dataclasses
from typing import Any

import numpy as np

from app.resources import OpenStudy
from cytosae_core.judging.repository import Screen, Session
from cytosae_core.study.protocol import Item, Picture

Payload = dict[str, Any]

N_PREFETCH = 2
"""Items whose pictures the browser fetches ahead."""

TITLES = {"mll23": "MLL23", "acevedo": "Acevedo", "matek": "Matek", "bmc": "Bone marrow", "hehr": "AML Hehr"}


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
        "groups": _groups(opened, screen.item),
        "questions": [dataclasses.asdict(question) for question in screen.stage.questions],
        "direction": screen.item.direction if screen.stage.reveals_direction else None,
        "nonce": screen.presentation.nonce,
        "revision": screen.presentation.revision,
        "answers": screen.draft if screen.draft is not None else screen.presentation.previous or {},
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
    """The data set's name as people know it; rendered cells only have the look of it."""
    is_simulated = any(info.simulated for info in opened.atlas.datasets if info.name == dataset)
    return f"SIMULATED, in the look of {TITLES.get(dataset, dataset)}" if is_simulated else TITLES.get(dataset, dataset)


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


def _prefetch(opened: OpenStudy, screen: Screen) -> list[str]:
    items = (opened.items[item_id] for item_id in screen.upcoming[:N_PREFETCH])
    return list(dict.fromkeys(picture.sha256 for item in items for picture in item.pictures if picture.sha256))
