"""The published tables as an atlas, made once for the whole suite by the script that users run."""

import fcntl
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import torch

from tests.forks import Forks

PREFIXES = ("BA", "EO", "ERB", "IG", "LY", "MMY", "MO", "MY", "NEUTROPHIL", "BNE", "SNE", "PLATELET", "PMY")
SORTED_CLASSES = range(13)


def import_once(folder: Path, tables: Path, acevedo: Path, forks: Forks) -> Path:
    """The atlas of all five data sets in `folder`, with the pictures of 300 latents; the first process makes it."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait here
        if not (folder / "atlas").exists():
            copy_images_of(300, tables, acevedo, folder / "images")
            done = forks.run(
                "import_release.py", "--tables", tables, "--out", folder / "atlas",
                "--images", "acevedo", folder / "images", "--file-lists", "acevedo", acevedo / "file_list.txt",
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    return folder / "atlas"


def copy_images_of(n_latents: int, tables: Path, acevedo: Path, folder: Path) -> None:
    """The Acevedo reference images of some high-activation latents of mll23, found without the project's code."""
    read = partial(torch.load, weights_only=True, map_location="cpu")
    high = np.flatnonzero(read(tables / "mll23" / "sae_mean_acts.pt").numpy() > 1e-3)
    latents = np.random.default_rng(0).choice(high, n_latents, replace=False)
    positions = read(tables / "acevedo" / "max_activating_image_indices.pt").numpy()[latents].astype(int)
    labels = dict(zip(PREFIXES, SORTED_CLASSES, strict=True))
    names = (acevedo / "file_list.txt").read_text().split()
    names.sort(key=lambda name: (labels[name.split("/")[1].split("_")[0]], name.split("/")[1]))
    order = np.random.default_rng(1).permutation(len(names))
    for name in {names[order[position]] for position in positions.ravel()}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(acevedo / "PBC_dataset_normal_DIB" / name, folder / name)
