"""Small tokens, small configurations, and somebody who writes down what a run says."""

import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd

from cytosae_core.sae.config import SaeConfig
from cytosae_core.tokens.source import ArrayTokens

TOY = SaeConfig(
    d_in=8, expansion=4, n_images=120, batch_images=4, warm_up_steps=10, dead_window=3, learning_rate=4e-3,
    checkpoint_every=10, evaluate_every=15,
)  # fmt: skip
"""30 steps of 4 images."""


def toy(**changes):
    return dataclasses.replace(TOY, **changes)


def toy_tokens(n_images=18, n_tokens=5, d_in=8, seed=0, dtype=np.float32):
    return ArrayTokens(
        np.random.default_rng(seed).standard_normal((n_images, n_tokens, d_in)).astype(dtype) + dtype(0.5)
    )


class Notebook:
    """Observer that keeps everything."""

    def __init__(self):
        self.records, self.evaluations, self.checkpoints, self.starts, self.n_ends = [], [], [], [], 0

    def on_start(self, step):
        self.starts.append(step)

    def on_step(self, record):
        self.records.append(record)

    def on_evaluation(self, step, values):
        self.evaluations.append((step, values))

    def on_checkpoint(self, step):
        self.checkpoints.append(step)

    def on_end(self):
        self.n_ends += 1


def write_store(path, array, shard_images=7, **entries):
    """A token store with this array (n_images, n_tokens, d_in) at block 11, as an extraction leaves it."""
    path.mkdir(parents=True)
    shards = []
    for index, first in enumerate(range(0, len(array), shard_images)):
        part = array[first : first + shard_images].astype(np.float16)
        np.save(path / f"shard-{index:05d}-block-11.npy", part)
        shards.append({"n_images": len(part), "files": {"11": _entry(path / f"shard-{index:05d}-block-11.npy")}})
    pd.DataFrame({"image_id": [f"toy/{row}" for row in range(len(array))]}).to_parquet(path / "index.parquet")
    manifest = {
        "format": "cytosae-tokens", "format_version": 1, "blocks": [11], "n_images": len(array),
        "n_tokens": array.shape[1], "d_model": array.shape[2],
        "backbone": {"name": "toy", "backbone_id": "toy-1"}, "dataset": {"names": ["toy"], "fingerprint": "0123"},
        "index": _entry(path / "index.parquet"), "shards": shards, **entries,
    }  # fmt: skip
    (path / "manifest.json").write_text(json.dumps(manifest))


def _entry(path):
    content = path.read_bytes()
    return {"path": path.name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
