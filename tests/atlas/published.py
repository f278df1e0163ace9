"""Published tables in miniature: an activation matrix, and the files that the authors' code would have made of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

K = 10
CLASSES = {"BA": "basophil", "EO": "eosinophil", "MO": "monocyte"}


@dataclass(frozen=True)
class MiniRelease:
    """Where the miniature lies, and the truth that it was made from."""

    tables: Path
    images: Path
    names: tuple[str, ...]
    """Relative paths in shuffled order: position -> file."""
    activations: np.ndarray
    """(n_images, n_latents) float32, images in shuffled order."""


def make_release(folder: Path, *, dataset: str = "acevedo", n_images: int = 60, n_latents: int = 50, seed: int = 0):
    """Write tables and images of one data set of three classes; latent 0 never fires, latent 1 fires twice."""
    rng = np.random.default_rng(seed)
    names = [f"{CLASSES[prefix]}/{prefix}_{i}.png" for prefix in CLASSES for i in range(n_images // len(CLASSES))]
    for name in names:
        path = folder / "images" / dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
    names.sort()
    shuffled = [names[i] for i in np.random.default_rng(1).permutation(len(names))]
    activations = np.maximum(rng.normal(-0.5, 1, (len(names), n_latents)), 0).astype(np.float32)
    activations *= (10 ** rng.uniform(-4, -1, n_latents)).astype(np.float32)
    activations[:, 0] = 0
    activations[2:, 1] = 0
    activations[:2, 1] = (0.5, 0.25)
    activations[:, 2] += 1e-6  # a latent that is always on
    write_tables(folder / "tables" / dataset, activations, [name.split("/")[0] for name in shuffled])
    return MiniRelease(folder / "tables", folder / "images" / dataset, tuple(shuffled), activations)


def write_tables(folder: Path, activations: np.ndarray, labels: list[str]) -> None:
    """What the authors' code stores: zeros where a slot is empty, NaN where nothing fires, positions as floats."""
    n_images, n_latents = activations.shape
    classes = sorted(set(labels))
    label_of = np.array([classes.index(label) for label in labels])
    means = np.full(n_latents, np.nan, np.float32)
    entropy = np.full(n_latents, np.nan, np.float32)
    values = np.zeros((n_latents, K), np.float32)
    positions = np.zeros((n_latents, K), np.float32)
    stored_labels = np.zeros((n_latents, K), np.int64)
    for latent in range(n_latents):
        column = activations[:, latent]
        best = [i for i in np.argsort(-column, kind="stable")[:K] if column[i] > 0]
        if best:
            means[latent] = column[column > 0].astype(np.float64).mean()
            values[latent, : len(best)] = column[best]
            positions[latent, : len(best)] = best
            stored_labels[latent, : len(best)] = label_of[best]
            shares = np.array([column[[i for i in best if label_of[i] == c]].sum() for c in range(len(classes))])
            shares = shares[shares > 0] / shares.sum()
            entropy[latent] = -(shares * np.log(shares)).sum()
    folder.mkdir(parents=True, exist_ok=True)
    frequency = ((activations > 0).sum(axis=0) / n_images).astype(np.float32)
    for name, array in {
        "sae_mean_acts": means,
        "sae_sparsity": frequency,
        "max_activating_image_values": values,
        "max_activating_image_indices": positions,
        "max_activating_image_label_indices": stored_labels,
        "top_entropy": entropy,
    }.items():
        torch.save(torch.from_numpy(array), folder / f"{name}.pt")


def change_table(release: MiniRelease, name: str, change, dataset: str = "acevedo") -> None:
    """Replace a table by `change(table)`."""
    path = release.tables / dataset / f"{name}.pt"
    torch.save(change(torch.load(path, weights_only=True)), path)
