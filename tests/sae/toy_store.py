"""Token stores of a few numbers each, written without a backbone."""

import hashlib
import json

import numpy as np
import pandas as pd

from cytosae_core.tokens.store import FORMAT, FORMAT_VERSION, INDEX, MANIFEST
from tests.sae.toy_sae import toy_tokens


def _described(path):
    content = path.read_bytes()
    return {"path": path.name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def toy_store(path, *, blocks=(1, 2), n_images=20, seed=0, backbone="toy", fingerprint="cells", simulated=False):
    """A store at `path`: two shards, 5 tokens per image, width 4; tokens differ by block and seed."""
    path.mkdir(parents=True)
    parts = np.array_split(np.arange(n_images), 2)
    shards = []
    for shard_index, rows in enumerate(parts):
        files = {}
        for block in blocks:
            name = f"shard-{shard_index:05d}-block-{block:02d}.npy"
            tokens = toy_tokens(n_images, seed=[seed, block], dtype=np.float16)
            np.save(path / name, tokens[rows])
            files[str(block)] = _described(path / name)
        shards.append({"n_images": len(rows), "files": files})
    pd.DataFrame({"image_id": [f"toy/{index}.png" for index in range(n_images)]}).to_parquet(path / INDEX)
    manifest = {
        "format": FORMAT, "format_version": FORMAT_VERSION, "blocks": list(blocks), "n_images": n_images,
        "n_tokens": 5, "d_model": 4, "backbone": {"name": backbone, "backbone_id": f"id of {backbone}"},
        "dataset": {"names": ["toy"], "fingerprint": fingerprint}, "simulated": simulated,
        "index": _described(path / INDEX), "shards": shards,
    }  # fmt: skip
    (path / MANIFEST).write_text(json.dumps(manifest))
    return path
