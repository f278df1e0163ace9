"""The two tasks of a study: their items, and the record of how these were chosen."""

from collections.abc import Container, Iterator
from dataclasses import asdict
from typing import Any

import pandas as pd

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.errors import StudyError
from cytosae_core.patients.differential import differential_latents
from cytosae_core.study.config import StudyConfig
from cytosae_core.study.decoys import RULE, Unsampled, decoy_items
from cytosae_core.study.items import concept_items, disease_items, repeat_items
from cytosae_core.study.protocol import Item, Stratum
from cytosae_core.study.sampling import high_activation_latents, sample_latents


def concept_part(
    atlas: LatentAtlas, config: StudyConfig, ids: Iterator[str]
) -> tuple[list[Item], tuple[Stratum, ...], dict[str, Any]]:
    """Items of the concept task, the strata they were sampled from, and the record of how."""
    statistics = atlas.statistics(config.dataset)
    on_disk = {info.name: atlas.n_pictures(info.name) for info in atlas.datasets if info.n_pictures}
    if not on_disk:
        raise StudyError(
            f"none of the data sets {[info.name for info in atlas.datasets]} has a picture in the atlas, so there is "
            "nothing to show; build the atlas again with the images on disk"
        )
    n_pictures = pd.DataFrame(on_disk).sum(axis=1)
    sample = sample_latents(
        statistics,
        n_pictures,
        log10_threshold=config.log10_threshold,
        n_clusters=config.n_clusters,
        n_per_cluster=config.n_per_cluster,
        min_pictures=config.min_pictures,
        seed=config.seed,
    )
    sampled = sample.latents["latent"]
    shown = [name for name, found in on_disk.items() if found.reindex(sampled, fill_value=0).any()]
    mains = concept_items(atlas, sample.latents, shown, ids)
    repeats = repeat_items(mains, config.n_repeats, ids, config.seed)
    activity = high_activation_latents(statistics, config.log10_threshold)
    donors = activity.index.difference(pd.Index(sampled))
    patterns = donors[n_pictures.reindex(donors, fill_value=0) >= config.min_pictures]
    decoys = decoy_items(
        atlas, mains, Unsampled(activity, list(donors), list(patterns)), shown, config.n_decoys, ids, config.seed
    )
    record = {
        **sample.notes,
        "dataset": config.dataset,
        "datasets_shown": shown,
        "datasets_left_out": {info.name: _why(info.name, on_disk) for info in atlas.datasets if info.name not in shown},
        "n_repeats": len(repeats),
        "n_decoys": len(decoys),
        "decoys": RULE if decoys else "none",
    }
    strata = tuple(Stratum(**asdict(cluster)) for cluster in sample.strata)
    return [*mains, *repeats, *decoys], strata, {"concept": record}


def _why(dataset: str, on_disk: Container[str]) -> str:
    return "no picture of the drawn latents on disk" if dataset in on_disk else "no picture on disk"


def disease_part(
    atlas: LatentAtlas, config: StudyConfig, groups: tuple[str, str], ids: Iterator[str]
) -> tuple[list[Item], dict[str, Any]]:
    """Items of the disease task and the record of how they were chosen."""
    barcodes = _barcodes_with_pictures(atlas)
    ranked = differential_latents(barcodes, *groups, n=config.n_differential, ranking=config.ranking)
    n_found = {group: int((ranked["direction"] == group).sum()) for group in groups}
    if not all(n_found.values()):
        raise StudyError(f"no latent is stronger in one of the groups ({n_found}); choose another pair of groups")
    mains, without = disease_items(atlas, ranked, barcodes.dataset, ids, config.seed)
    if not mains:
        raise StudyError(
            f"none of the {len(ranked)} differential latents has a picture of {barcodes.dataset!r} on disk; "
            "build the atlas again with more of its images, or leave the groups out"
        )
    repeats = repeat_items(mains, config.n_disease_repeats, ids, config.seed)
    record = {
        "dataset": barcodes.dataset,
        "groups": list(groups),
        "n_patients": {group: int((barcodes.groups["diagnosis"] == group).sum()) for group in groups},
        "ranking": config.ranking,
        "n_wanted": config.n_differential,
        "n_found": n_found,
        "left_out_without_pictures": without,
        "tokens": barcodes.tokens,
        "tau": barcodes.tau,
        "seed": config.seed,
        "n_repeats": len(repeats),
    }
    return [*mains, *repeats], record


def _barcodes_with_pictures(atlas: LatentAtlas) -> Barcodes:
    barcodes = atlas.barcodes()
    if barcodes is None:
        raise StudyError(
            "the disease task needs barcodes, and this atlas has none; build an atlas from images of patients, "
            "import the patient counts, or leave the groups out"
        )
    if barcodes.dataset not in [info.name for info in atlas.datasets if info.n_pictures]:
        raise StudyError(
            f"the barcodes are of {barcodes.dataset!r}, of which no picture is on disk, and cells of another data set "
            f"must not stand for these patients; put images of {barcodes.dataset!r} on disk and build the atlas again, "
            "or leave the groups out"
        )
    return barcodes
