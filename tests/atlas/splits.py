"""Atlases of a whole data set and of any parts of it, and what is in their optional files."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.build.build import build_atlas
from cytosae_core.atlas.build.options import BuildConfig
from cytosae_core.atlas.build.plan import DatasetInput
from cytosae_core.atlas.merge.merge import merge_atlases
from cytosae_core.sae.checkpoint import Checkpoint
from tests.atlas.array_tokens import N_TOKENS, RandomTokens, random_checkpoint


def build(out, sources, checkpoint=None, **options):
    """The atlas of these data sets, opened."""
    build_atlas(checkpoint or random_checkpoint(), [DatasetInput(s) for s in sources], out, BuildConfig(**options))
    return LatentAtlas.open(out)


def merge(out, atlases):
    """The atlas of these atlases, opened."""
    merge_atlases([atlas.path for atlas in atlases], out)
    return LatentAtlas.open(out)


def some(source, rows):
    """The data set with these images only."""
    return dataclasses.replace(
        source, images=source.images.iloc[rows].reset_index(drop=True), tokens=source.tokens[rows]
    )


def split(source, owner):
    """The data set in parts: image i is in part owner[i]; no part is empty."""
    return [some(source, [i for i, part in enumerate(owner) if part == name]) for name in sorted(set(owner))]


def with_patients(source, patients):
    """The data set with a (patient, diagnosis) for each image, in its order."""
    names, diagnoses = zip(*patients, strict=True)
    return dataclasses.replace(source, images=source.images.assign(patient=names, diagnosis=diagnoses))


def table(atlas, name):
    """All rows of an optional table, None where the atlas has none."""
    return pq.read_table(atlas.path / name) if name in atlas.manifest.files else None


def plain(dataset, rows):
    """Images by name: the activations (4,) at all tokens, or (n_tokens, 4), of the latents of `plain_checkpoint`."""
    images = pd.DataFrame({"image_id": [f"{dataset}/{name}" for name in sorted(rows)], "label": "cell"})
    images = images.assign(relative_path=images["image_id"], patient=None, diagnosis=None)
    tokens = [np.broadcast_to(np.array(rows[name], np.float16), (N_TOKENS, 4)) for name in sorted(rows)]
    return RandomTokens(dataset, images, np.stack(tokens))


def plain_checkpoint():
    """An SAE whose four latents are the four dimensions of a token."""
    one, none = torch.eye(4), torch.zeros(4)
    return Checkpoint({"W_enc": one, "b_enc": none, "W_dec": one.clone(), "b_dec": none.clone()}, {})
