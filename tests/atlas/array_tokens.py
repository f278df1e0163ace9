"""A data set of tokens in memory, with what the twin needs to know of it."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from cytosae_core.sae.checkpoint import Checkpoint
from cytosae_core.tokens.source import TokenBatch
from tests.atlas import dense_twin

D_IN, N_TOKENS = 4, 5
LABELS = ("blast", "lymphocyte", "monocyte")


@dataclass
class RandomTokens:
    """Tokens of the images of one data set; `unreadable` rows are skipped."""

    dataset: str
    images: pd.DataFrame
    tokens: np.ndarray
    batch_size: int = 3
    unreadable: frozenset[int] = frozenset()
    skipped: list[tuple[str, str]] = field(default_factory=list)
    n_read: int = 0

    @property
    def shape(self):
        return self.tokens.shape

    @property
    def index(self):
        return self.images.assign(dataset=self.dataset)

    @property
    def origin(self):
        return {"tokens": "in memory", "fingerprint": None}

    def read(self, rows, batch_images=8):
        for start in range(0, len(rows), self.batch_size):
            batch = list(rows[start : start + self.batch_size])
            good = [row for row in batch if row not in self.unreadable]
            self.n_read += len(good)
            yield TokenBatch(good, self.tokens[good], [(row, "broken") for row in batch if row in self.unreadable])


def random_tokens(dataset, n_images, seed=0, *, patients=None, **options):
    """Tokens on a coarse grid; patients, where given, are dealt out in turn, as (patient, diagnosis)."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "relative_path": f"{LABELS[i % 3]}/{i:04d}.png",
            "label": None if patients else LABELS[i % 3],
            "patient": patients[i % len(patients)][0] if patients else None,
            "diagnosis": patients[i % len(patients)][1] if patients else None,
        }
        for i in range(n_images)
    ]
    images = pd.DataFrame(rows).assign(image_id=lambda frame: f"{dataset}/" + frame["relative_path"])
    images = images.sort_values("image_id", ignore_index=True)
    return RandomTokens(dataset, images, dense_twin.exact_tokens(rng, n_images, N_TOKENS, D_IN), **options)


def random_checkpoint(d_sae=24, seed=1):
    weights = dense_twin.exact_weights(np.random.default_rng(seed), D_IN, d_sae)
    return Checkpoint({name: torch.from_numpy(values) for name, values in weights.items()}, {})
