"""From latents to items: which pictures are shown, in which blocks, under which opaque ids."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import StudyError
from cytosae_core.study.protocol import Item, Picture
from cytosae_core.study.tasks import CONCEPT_TASK, DISEASE_TASK

RANKS_PER_BLOCK = 5
"""Differential latents of each direction in a block of the disease task."""


def pictures_of(atlas: LatentAtlas, latent: int, datasets: Sequence[str]) -> tuple[Picture, ...]:
    """All reference images of the latent in the data sets, by rank; those not on disk have no digest."""
    return tuple(picture for dataset in datasets for picture in _pictures(atlas.references(latent, dataset)))


def concept_items(atlas: LatentAtlas, sampled: pd.DataFrame, datasets: Sequence[str], ids: Iterator[str]) -> list[Item]:
    """One main item for each sampled latent (columns latent, stratum, block)."""
    return [
        Item(
            item_id=next(ids),
            task_id=CONCEPT_TASK,
            role="main",
            block=int(row["block"]),
            pictures=pictures_of(atlas, int(row["latent"]), datasets),
            latent=int(row["latent"]),
            stratum=int(row["stratum"]),
        )
        for row in sampled.to_dict("records")
    ]


def disease_items(
    atlas: LatentAtlas, ranked: pd.DataFrame, dataset: str, ids: Iterator[str], seed: int
) -> tuple[list[Item], list[int]]:
    """One main item for each differential latent that has a picture on disk, and the latents that have none.

    `ranked` has columns latent, direction, rank. Only pictures of `dataset` are shown. Each block holds the same
    number of latents of each direction, from all along the ranking.
    """
    n_blocks = -(-int(ranked["rank"].max()) // RANKS_PER_BLOCK)
    items, without = [], []
    for place, (direction, rows) in enumerate(ranked.groupby("direction", sort=False)):
        blocks = _spread(len(rows), n_blocks, np.random.default_rng([seed, place]))
        for row, block in zip(rows.sort_values("rank").to_dict("records"), blocks, strict=True):
            latent = int(row["latent"])
            pictures = pictures_of(atlas, latent, [dataset])
            if not any(picture.sha256 for picture in pictures):
                without.append(latent)
                continue
            item = Item(next(ids), DISEASE_TASK, "main", block, pictures, latent)
            items.append(dataclasses.replace(item, direction=str(direction), rank=int(row["rank"])))
    return items, without


def repeat_items(mains: Sequence[Item], n: int, ids: Iterator[str], seed: int) -> list[Item]:
    """`n` of the main items a second time, under other ids; the rater's order keeps them apart."""
    if n > len(mains):
        raise StudyError(f"{n} repeats of {len(mains)} items are too many; ask for at most {len(mains)}")
    chosen = np.random.default_rng(seed).permutation(len(mains))[:n]
    return [
        dataclasses.replace(mains[index], item_id=next(ids), role="repeat", repeat_of=mains[index].item_id)
        for index in sorted(chosen)
    ]


def decoy_items(
    atlas: LatentAtlas, mains: Sequence[Item], donors: Sequence[int], n: int, ids: Iterator[str], seed: int
) -> list[Item]:
    """`n` items that look like main ones, each picture taken from another latent among `donors`.

    A decoy has the frames of a main item, empty ones included, so that nothing but the cells tells it apart. `rank` is
    then the place of the frame. Raises StudyError when there are too few main items or donors.
    """
    if n > len(mains):
        raise StudyError(f"{n} decoys beside {len(mains)} items are too many; ask for at most {len(mains)}")
    rng = np.random.default_rng(seed)
    templates = [mains[index] for index in sorted(rng.permutation(len(mains))[:n])]
    return [
        Item(
            item_id=next(ids),
            task_id=template.task_id,
            role="decoy",
            block=template.block,
            pictures=_mixed(atlas, template.pictures, [int(latent) for latent in rng.permutation(donors)]),
        )
        for template in templates
    ]


def _pictures(references: pd.DataFrame) -> list[Picture]:
    return [
        Picture(
            dataset=str(row["dataset"]),
            rank=int(row["rank"]),
            image_id=str(row["image_id"]),
            sha256=None if pd.isna(row["picture"]) else str(row["picture"]),
            map_index=None if pd.isna(row["map_index"]) else int(row["map_index"]),
        )
        for row in references.sort_values("rank").to_dict("records")
    ]


def _spread(n: int, n_blocks: int, rng: np.random.Generator) -> list[int]:
    """Blocks of `n` ranked things: each run of `n_blocks` ranks is dealt to all blocks, in random order."""
    dealt = [rng.permutation(n_blocks) for _ in range(-(-n // n_blocks))]
    return [int(block) for block in np.concatenate(dealt)[:n]]


def _mixed(atlas: LatentAtlas, frames: Sequence[Picture], donors: Sequence[int]) -> tuple[Picture, ...]:
    """The frames with every picture replaced by one of another latent; donors take turns."""
    turns = list(donors)
    used: set[str | None] = set()
    mixed = []
    for frame in frames:
        if frame.sha256 is None:
            mixed.append(dataclasses.replace(frame, map_index=None))
            continue
        donor, picture = _from_donor(atlas, frame, turns, used)
        turns.remove(donor)
        used.add(picture.sha256)
        mixed.append(dataclasses.replace(picture, rank=frame.rank))
    return tuple(mixed)


def _from_donor(
    atlas: LatentAtlas, frame: Picture, donors: Sequence[int], used: set[str | None]
) -> tuple[int, Picture]:
    for donor in donors:
        for picture in pictures_of(atlas, donor, [frame.dataset]):
            if picture.sha256 is not None and picture.sha256 not in used:
                return donor, picture
    raise StudyError(
        f"too few latents have pictures of {frame.dataset!r} to make a decoy, which takes each picture from another "
        "latent that was not sampled; ask for no decoys, or put more images on disk"
    )
