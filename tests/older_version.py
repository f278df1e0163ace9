"""What version 1 left in fixtures/version_1, and what the tests of it share: facts of an atlas, a clock."""

import json
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch

from cytosae_core.sae.config import SaeConfig
from cytosae_core.tokens.split import split_store
from cytosae_core.tokens.store import TokenStore
from tests.atlas.image_barcodes import image_barcode

OLD = Path(__file__).parent / "fixtures" / "version_1"
EXPECTED = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))
STUDY = EXPECTED["study"]
EXPORT = OLD / "exports" / STUDY["export"]
IS_ALIKE = torch.backends.cpu.get_cpu_capability() == EXPECTED["made_with"]["cpu"] and all(
    version(name) == made_with for name, made_with in EXPECTED["made_with"].items() if name != "cpu"
)
"""Whether libraries and processor are those of the fixtures: only then is the last bit of a computation the same."""


class Clock:
    """Begins a minute after the last judgement of the fixture, in which its sessions still live."""

    def __init__(self):
        self.now = datetime.fromisoformat(STUDY["moment"]) + timedelta(minutes=1)

    def __call__(self):
        self.now += timedelta(seconds=2)
        return self.now


def total(array):
    return pytest.approx(float(np.asarray(array, np.float64).sum()), abs=1e-3)


def tokens_of(store):
    return np.concatenate([store.shard(index) for index in range(len(store.manifest["shards"]))])


def facts_of(atlas, dataset):
    """What expected.json says of an atlas."""
    statistics, latent = atlas.statistics(dataset), int(atlas.statistics(dataset)["mean_activation"].idxmax())
    references, infos = atlas.references(latent), atlas.datasets
    facts = {
        "atlas_id": atlas.atlas_id, "sae_id": atlas.sae_id, "n_latents": atlas.n_latents, "simulated": atlas.simulated,
        "n_images": [info.n_images for info in infos], "n_pictures": [info.n_pictures for info in infos],
        "um_per_px": [info.um_per_px for info in infos], "n_active": statistics["n_active"].tolist(),
        "mean_activation_sum": total(statistics["mean_activation"].fillna(0)),
        "label_entropy_sum": total(statistics["label_entropy"].fillna(0)), "latent": latent,
        "references": references[["image_id", "label", "picture"]].to_dict("records"),
        "activations": pytest.approx(references["activation"].tolist(), abs=1e-5),
    }  # fmt: skip
    if not atlas.has_maps:
        return facts
    barcodes, image = atlas.barcodes(), references["image_id"].iloc[0]
    indices, values = atlas.patch_latents(image)
    return facts | {
        "map_sums": [total(atlas.map(int(index))) for index in references["map_index"]],
        "patients": barcodes.groups.to_dict("records"), "counts": np.asarray(barcodes.counts).sum(axis=1).tolist(),
        "tokens": barcodes.tokens, "tau": barcodes.tau, "patient_references": len(atlas.patient_references(latent)),
        "image_barcode_sum": int(image_barcode(atlas, image).sum()), "patch_latents_sum": int(indices.sum()),
        "patch_values_sum": total(values),
    }  # fmt: skip


def without_id(facts):
    return {name: value for name, value in facts.items() if name != "atlas_id"}


def old_training():
    """Configuration, tokens and held-out images of the old run."""
    return SaeConfig(**EXPECTED["sae"]["config"]), *split_store(TokenStore.open(OLD / "tokens_first", 5), 0.25, 0)


def judged(table):
    kept = [*table.columns.intersection(STUDY["judgements"][0]), "answers"]
    return table[list(dict.fromkeys(kept))].to_dict("records")
