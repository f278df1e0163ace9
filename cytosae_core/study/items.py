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
    found: dict[str, list[Picture]] = {name: [] for name in datasets}
    references = atlas.references(latent).sort_values("rank", kind="stable")
    columns = [references[name].tolist() for name in ("dataset", "rank", "image_id", "picture", "map_index")]
    for dataset, rank, image_id, picture, map_index in zip(*columns, strict=True):
        if dataset in found:
            found[dataset].append(Picture(dataset, int(rank), image_id, picture, map_index))
    return tuple(picture for pictures in found.values() for picture in pictures)


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


def _spread(n: int, n_blocks: int, rng: np.random.Generator) -> list[int]:
    """Blocks of `n` ranked things: each run of `n_blocks` ranks is dealt to all blocks, in random order."""
    dealt = [rng.permutation(n_blocks) for _ in range(-(-n // n_blocks))]
    return [int(block) for block in np.concatenate(dealt)[:n]]
