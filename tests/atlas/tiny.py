"""A small, complete atlas for tests: rendered pictures, several data sets, some pictures missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from cytosae_core.artifacts.folders import workspace
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.barcodes import Barcodes
from cytosae_core.atlas.manifest import DatasetInfo, Skipped
from cytosae_core.atlas.pictures import StoredPicture, as_frame, store_picture
from cytosae_core.atlas.writer import AtlasContents, AtlasPart, fill

N_IMAGES = 40
"""Images of each data set."""
GROUPS = ("CBFB::MYH11", "PML::RARA", "NPM1", "control")
LABELS = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")


@dataclass(frozen=True)
class TinyPlan:
    """What `make_tiny_atlas` is asked for."""

    n_latents: int
    datasets: tuple[str, ...]
    with_maps: bool
    with_barcodes: bool
    simulated: bool
    seed: int


def make_tiny_atlas(
    path: Path,
    *,
    n_latents: int = 120,
    datasets: Sequence[str] = ("mll23", "acevedo"),
    with_maps: bool = False,
    with_barcodes: bool = False,
    simulated: bool = False,
    seed: int = 0,
    missing_share: float = 0.1,
) -> LatentAtlas:
    """Write an atlas to `path` and open it; a share of the pictures is missing, and some latents have few references.

    Every tenth latent is dead. About half of the others have a mean activation above 10^-3. With barcodes, the last
    data set holds patients, 6 of each of 4 groups.
    """
    rng = np.random.default_rng(seed)
    plan = TinyPlan(n_latents, tuple(datasets), with_maps, with_barcodes, simulated, seed)
    parts = [_part(name, plan, rng) for name in datasets]
    maps = None
    if with_maps:
        parts, maps = _with_maps(parts, rng)
    with workspace(path) as folder:
        pictures, skipped = _render(folder, parts, rng, missing_share)
        contents = AtlasContents(
            sae_id=f"sae-tiny-{seed}",
            n_latents=n_latents,
            parts=parts,
            pictures=as_frame(pictures),
            map_values=maps,
            barcodes=_barcodes(plan, rng) if with_barcodes else None,
            config={"made_by": "tests.atlas.tiny"},
            seed=seed,
            skipped=tuple(skipped),
        )
        fill(folder, contents)
    return LatentAtlas.open(path)


def _part(name: str, plan: TinyPlan, rng: np.random.Generator) -> AtlasPart:
    image_ids = [f"{name}/{LABELS[i % len(LABELS)]}/{i:04d}.png" for i in range(N_IMAGES)]
    rows, references = [], []
    for latent in range(plan.n_latents):
        n_active = 0 if latent % 10 == 9 else int(rng.integers(1, N_IMAGES + 1))
        scale = 10 ** rng.uniform(-4.5, -1.5)
        activations = np.sort(rng.gamma(2.0, scale, n_active).astype(np.float32) + np.float32(1e-6))[::-1]
        images = rng.permutation(N_IMAGES)[:n_active]
        rows.append((n_active, float(activations.sum(dtype=np.float64)), 0.5 if n_active else np.nan))
        references += [
            (latent, rank, image_ids[images[rank]], activations[rank], LABELS[images[rank] % len(LABELS)])
            for rank in range(min(10, n_active))
        ]
    statistics = pd.DataFrame(rows, columns=["n_active", "sum_activation", "label_entropy"])
    columns = ["latent", "rank", "image_id", "activation", "label"]
    return AtlasPart(
        DatasetInfo(name, N_IMAGES, simulated=plan.simulated, um_per_px=0.1 if name == "mll23" else None),
        statistics,
        pd.DataFrame(references, columns=columns),
    )


def _with_maps(parts: list[AtlasPart], rng: np.random.Generator) -> tuple[list[AtlasPart], np.ndarray]:
    placed, maps = [], []
    for part in parts:
        start = sum(map(len, maps))
        n = len(part.references)
        maps.append(rng.random((n, 16, 16)).astype(np.float32) ** 4)
        references = part.references.assign(map_index=np.arange(start, start + n))
        placed.append(AtlasPart(part.info, part.statistics, references))
    return placed, np.concatenate(maps)


def _render(
    folder: Path, parts: list[AtlasPart], rng: np.random.Generator, missing_share: float
) -> tuple[list[StoredPicture], list[Skipped]]:
    pictures, skipped = [], []
    for part in parts:
        for image_id in sorted(part.references["image_id"].unique()):
            cell = _cell(rng)
            if rng.random() < missing_share:
                skipped.append(Skipped(image_id, "missing"))
            else:
                pictures.append(store_picture(image_id, cell, folder / "display"))
    return pictures, skipped


def _cell(rng: np.random.Generator, side: int = 48) -> Image.Image:
    """A dark nucleus in a pale cell."""
    image = Image.new("RGB", (side, side), (236, 222, 218))
    pen = ImageDraw.Draw(image)
    x, y = rng.integers(side // 3, 2 * side // 3, 2)
    for radius, colour in ((side // 3, (200, 180, 215)), (side // 6, (90, 50, 130))):
        colour = tuple(int(c) for c in np.clip(np.array(colour) + rng.integers(-15, 16, 3), 0, 255))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return image


def _barcodes(plan: TinyPlan, rng: np.random.Generator) -> Barcodes:
    diagnoses = np.repeat(GROUPS, 6)
    n_images = rng.integers(20, 60, len(diagnoses))
    rates = rng.gamma(0.5, 2.0, (len(GROUPS), plan.n_latents))
    counts = rng.poisson(np.repeat(rates, 6, axis=0) * n_images[:, None]).astype(np.int32)
    groups = pd.DataFrame(
        {"patient": [f"P{i:02d}" for i in range(len(diagnoses))], "diagnosis": diagnoses, "n_images": n_images}
    )
    return Barcodes(plan.datasets[-1], counts, groups, "patches", 0.2)
