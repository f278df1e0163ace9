"""The stages from cells to an atlas with its tables. Nothing here imports torch before a stage is made."""

import json
from pathlib import Path

import pandas as pd

from cytosae_core.artifacts.results import SIMULATED
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.pipeline.cells import Cells, draw
from cytosae_core.pipeline.place import Place
from cytosae_core.pipeline.recipe import Recipe
from cytosae_core.pipeline.stages import Stage, Steps

MAX_FOLDS, MIN_PATIENTS = 5, 3
"""With fewer than three patients in a group, one is left to learn from, and no threshold can be chosen on one."""
N_TOKENS, D_MODEL = 257, 192
"""Tokens of an image, and their width, of the shipped backbone."""
PICTURE_BYTES, SPARE_BYTES = 150_000, 300_000_000
PROBE, MAJORITY = "barcode probe, C by samples", "majority class"
"""The classifier whose score is shown, and what it is compared with."""


def stages_of(recipe: Recipe, cells: Cells, groups: tuple[str, str] | None, place: Place) -> list[Stage]:
    """All stages for these cells: patients are classified where every group has `MIN_PATIENTS`, and two groups
    compared where `groups` names them."""
    stages = [_tokens(recipe, cells, place), _sae(recipe, place), _atlas(recipe, cells, place)]
    if cells.drawn is not None:
        stages.insert(0, _cells(recipe, cells, place))
    n_smallest = smallest_group(cells) if cells.drawn is None else recipe.n_patients
    if n_smallest >= MIN_PATIENTS:
        stages.append(_patients(recipe, cells, min(MAX_FOLDS, n_smallest), place))
    if groups is not None:
        stages.append(_differential(recipe, cells, groups, place))
    return stages


def smallest_group(cells: Cells) -> int:
    """Patients in the smallest group; 0 where there are no two groups."""
    patients = cells.table.frame[["patient", "diagnosis"]].dropna().drop_duplicates()
    sizes = patients["diagnosis"].value_counts()
    return int(sizes.min()) if len(sizes) > 1 else 0


def n_bytes_of(n_images: int) -> int:
    """About what the results of so many images take, in bytes: float16 tokens, pictures, and room to spare."""
    return n_images * (2 * N_TOKENS * D_MODEL + PICTURE_BYTES) + SPARE_BYTES


def _cells(recipe: Recipe, cells: Cells, place: Place) -> Stage:
    def make(steps: Steps) -> None:
        draw(recipe, place.cells, steps("drawing SIMULATED cells"))

    return Stage("cells", place.drawn / "manifest.json", make, cells.describe)


def _tokens(recipe: Recipe, cells: Cells, place: Place) -> Stage:
    marker = place.tokens / "manifest.json"

    def make(steps: Steps) -> None:
        from cytosae_core.pipeline.make import make_tokens

        make_tokens(recipe, cells, place, steps)

    def describe() -> str:
        manifest = json.loads(marker.read_text())
        shape = f"{manifest['n_images']:,} x {manifest['n_tokens']} of width {manifest['d_model']}"
        return f"{shape}, {manifest['backbone']['name']}, block {recipe.block}"

    return Stage("tokens", marker, make, describe, ("cells",))


def _sae(recipe: Recipe, place: Place) -> Stage:
    marker = place.sae / "manifest.json"

    def make(steps: Steps) -> None:
        from cytosae_core.pipeline.make import make_sae

        make_sae(recipe, place, steps)

    def describe() -> str:
        manifest = json.loads(marker.read_text())
        found = manifest["evaluation"]
        return (
            f"{manifest['d_sae']:,} latents, {found['l0']:.0f} active a token, "
            f"{found['explained_variance']:.0%} of the variance explained on held-out images"
        )

    return Stage("autoencoder", marker, make, describe, ("tokens",))


def _atlas(recipe: Recipe, cells: Cells, place: Place) -> Stage:
    def make(steps: Steps) -> None:
        from cytosae_core.pipeline.make import make_atlas

        make_atlas(recipe, cells, place, steps)

    def describe() -> str:
        atlas = LatentAtlas.open(place.atlas)
        n_high = int((atlas.statistics(cells.dataset)["mean_activation"] > 1e-3).sum())
        n_pictures = sum(info.n_pictures for info in atlas.datasets)
        return f"{n_high:,} latents of interest, {n_pictures:,} pictures"

    reads = ("cells", "tokens", "autoencoder")
    return Stage("atlas", place.atlas / "manifest.json", make, describe, reads, is_wanted=True)


def _patients(recipe: Recipe, cells: Cells, n_folds: int, place: Place) -> Stage:
    mark = _mark(cells)

    def make(steps: Steps) -> None:
        from cytosae_core.pipeline.make import make_patients

        make_patients(recipe, n_folds, place, steps)

    def describe() -> str:
        scores = pd.read_csv(place.patients / f"scores{mark}.csv").set_index("method")["weighted_f1"]
        chance = pd.read_csv(place.patients / f"permutation{mark}.csv").set_index("method")["p_value"]
        return (
            f"weighted F1 {scores[PROBE]:.2f} from barcodes, {scores[MAJORITY]:.2f} from the largest group alone "
            f"(permutation test p = {chance[PROBE]:.3f})"
        )

    marker = place.patients / f"settings{mark}.json"
    return Stage("patients", marker, make, describe, ("atlas",), is_wanted=True)


def _differential(recipe: Recipe, cells: Cells, groups: tuple[str, str], place: Place) -> Stage:
    mark = _mark(cells)

    def make(steps: Steps) -> None:
        from cytosae_core.pipeline.make import make_differential

        make_differential(recipe, cells, groups, place, steps)

    def describe() -> str:
        table = pd.read_csv(place.differential / f"differential{mark}.csv")
        counts = table["direction"].value_counts()
        found = " and ".join(f"{counts.get(group, 0)} stronger in {group}" for group in groups)
        if "is_planted" in table:
            found += f"; {table['is_planted'].mean():.0%} stand for cells that were drawn more often there"
        return found

    marker = place.differential / f"settings{mark}.json"
    reads = ("cells", "tokens", "autoencoder", "atlas") if cells.drawn is not None else ("atlas",)
    return Stage("groups", marker, make, describe, reads, is_wanted=True)


def _mark(cells: Cells) -> str:
    """What the names of result files end in."""
    return f"_{SIMULATED}" if cells.simulated else ""


def place_of_drawn(folder: Path, recipe: Recipe) -> Place:
    """The place of drawn cells of these settings below `folder`."""
    return Place(folder / f"SIMULATED-demo-{recipe.digest('drawn')}")


def place_of(folder: Path, recipe: Recipe, cells: Cells) -> Place:
    """The place of a user's cells and these settings below `folder`."""
    mark = "SIMULATED-" if cells.simulated else ""
    return Place(folder / f"{mark}{cells.dataset}-{recipe.digest(cells.table.fingerprint)}")
