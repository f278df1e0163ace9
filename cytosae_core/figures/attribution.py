"""What explains patches of an image (the paper's figure 3): their strongest latents, with references and maps."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.attribution import PatchExplanation, explain_patch
from cytosae_core.errors import ConfigError
from cytosae_core.figures.cells import Cell, CellRow, CellSheet
from cytosae_core.figures.choose import strongest_patches
from cytosae_core.figures.inputs import images_with_patches, picture_names

N_REFERENCES = 5
"""Reference images shown of each latent, in each data set."""

Patch = tuple[int, int]


@dataclass(frozen=True)
class Explained:
    """An image that can be asked about its patches."""

    name: str
    """What it is called on the page."""
    picture: Path | npt.NDArray[np.uint8] | None
    """What is shown of it."""
    grid: int
    """Patches along a side."""
    strongest: Callable[[int], list[Patch]]
    """n -> its n most telling patches."""
    explain: Callable[[int, int, int], PatchExplanation]
    """Row, column, n -> the n strongest latents of the patch."""
    map: Callable[[int], npt.NDArray[np.float32] | None]
    """Latent -> its map on this image, where it is known."""
    um_per_px: float | None = None
    """Micrometres per pixel of what is shown."""
    simulated: bool = False
    """Whether the image itself was rendered by a program."""


def reference_image(atlas: LatentAtlas, image_id: str) -> Explained:
    """An image of the atlas, explained without torch; ConfigError where the atlas keeps no patches of it."""
    if image_id not in images_with_patches(atlas):
        raise ConfigError(
            f"the atlas keeps no patches of {image_id!r}; name a reference image of it, or give the file with "
            "--own-image and --sae"
        )
    name = picture_names(atlas).get(image_id)
    latents, values = atlas.patch_latents(image_id)
    dataset = next((info for info in atlas.datasets if image_id.startswith(f"{info.name}/")), None)
    return Explained(
        name=image_id,
        picture=None if name is None else atlas.picture_path(name),
        grid=round(len(latents) ** 0.5),
        strongest=lambda n: strongest_patches(latents, values, n),
        explain=lambda row, col, n: explain_patch(atlas, image_id, row, col, n),
        map=lambda latent: _own_map(atlas, latent, image_id),
        um_per_px=None if dataset is None else dataset.um_per_px,
        simulated=dataset is not None and dataset.simulated,
    )


def image_to_explain(atlas: LatentAtlas, latents: Sequence[int]) -> str:
    """The first reference image of these latents with a picture and patches; ConfigError where there is none."""
    known = images_with_patches(atlas)
    for latent in latents:
        references = atlas.references(latent)
        for image_id, picture in zip(references["image_id"], references["picture"], strict=True):
            if picture is not None and image_id in known:
                return str(image_id)
    raise ConfigError("the atlas keeps patches of no image with a picture; build it with --images and n_patch_latents")


def attribution_sheets(
    atlas: LatentAtlas, image: Explained, patches: Sequence[Patch], *, n_patches: int = 3, n_latents: int = 2
) -> list[CellSheet]:
    """The image with its patches outlined, then one sheet per patch; `n_patches` are chosen where none are named.

    Raises ConfigError for a patch outside of the image, and where no latent is active that is no noise.
    """
    chosen = tuple(patches) or tuple(image.strongest(n_patches))
    if not chosen:
        raise ConfigError(f"no patch of {image.name} has an active latent that is no noise; choose another image")
    whole = Cell(image.picture, f"{len(chosen)} patches", image.name, boxes=chosen, grid=image.grid)
    plain = Cell(image.picture, "", image.name)
    head = CellSheet(image.name, "", (CellRow("", (plain, whole), image.um_per_px),), "image")
    sheets = [
        _patch_sheet(atlas, image, number, patch, image.explain(*patch, n_latents))
        for number, patch in enumerate(chosen, start=1)
    ]
    return [head, *sheets]


def _patch_sheet(atlas: LatentAtlas, image: Explained, number: int, patch: Patch, found: PatchExplanation) -> CellSheet:
    rows = tuple(_latent_row(atlas, image, patch, row, found) for row in found.latents.to_dict("records"))
    note = "" if rows else " · no active latent that is no noise"
    return CellSheet(f"Patch {number}", f"row {patch[0]}, column {patch[1]}{note}", rows, f"patch_{number}")


def _latent_row(
    atlas: LatentAtlas, image: Explained, patch: Patch, row: Mapping[Hashable, Any], found: PatchExplanation
) -> CellRow:
    latent, value, scale = int(row["latent"]), float(row["activation"]), float(row["scale"])
    own_map = image.map(latent)
    scale = max(scale, float(own_map.max()) if own_map is not None else 0.0)
    own = Cell(image.picture, "this image", image.name, own_map, scale, (patch,), image.grid)
    references = found.references[found.references["latent"] == latent]
    others = references["picture"].notna() & (references["image_id"] != image.name)
    shown = references[others].groupby("dataset", sort=False).head(N_REFERENCES)
    cells = tuple(
        Cell(
            picture=atlas.picture_path(one["picture"]),
            caption=f"{one['dataset']}: {one['label']}" if one["label"] else one["dataset"],
            tip=f"{one['image_id']} · activation {one['activation']:.4g}",
            map=None if one["map_index"] is None else atlas.map(one["map_index"]),
            scale=scale,
        )
        for one in shown.to_dict("records")
    )
    return CellRow(f"latent {latent} · activation {value:.3g} at the patch", (own, *cells), image.um_per_px)


def _own_map(atlas: LatentAtlas, latent: int, image_id: str) -> npt.NDArray[np.float32] | None:
    references = atlas.references(latent)
    for name, index in zip(references["image_id"], references["map_index"], strict=True):
        if name == image_id and index is not None:
            return atlas.map(index)
    return None
