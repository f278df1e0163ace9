"""The steps from cells to an atlas with its tables. Nothing here imports torch before a step is made."""

from pathlib import Path

from cytosae_core.artifacts.manifest import MANIFEST, read_json
from cytosae_core.artifacts.tables import read_result, results_marker
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.method import high_activation
from cytosae_core.pipeline.cells import Cells, render
from cytosae_core.pipeline.paths import RunPaths
from cytosae_core.pipeline.settings import PipelineSettings
from cytosae_core.pipeline.steps import PipelineStep
from cytosae_core.progress import ProgressOf

MAX_FOLDS, MIN_PATIENTS = 5, 3
"""With fewer than three patients in a group, one is left to learn from, and no threshold can be chosen on one."""
N_TOKENS, D_MODEL = 257, 192
"""Tokens of an image, and their width, of the shipped backbone."""
PICTURE_BYTES, SPARE_BYTES = 150_000, 300_000_000
PROBE, MAJORITY = "barcode probe, C by samples", "majority class"
"""The classifier whose score is shown, and what it is compared with."""


def steps_of(
    settings: PipelineSettings, cells: Cells, groups: tuple[str, str] | None, paths: RunPaths
) -> list[PipelineStep]:
    """All steps for these cells: patients are classified where every group has `MIN_PATIENTS`, and two groups
    compared where `groups` names them."""
    steps = [_tokens(settings, cells, paths), _sae(settings, paths), _atlas(settings, cells, paths)]
    if cells.rendered is not None:
        steps.insert(0, _cells(settings, cells, paths))
    n_smallest = smallest_group(cells) if cells.rendered is None else settings.n_patients
    if n_smallest >= MIN_PATIENTS:
        steps.append(_patients(settings, cells, min(MAX_FOLDS, n_smallest), paths))
    if groups is not None:
        steps.append(_differential(settings, cells, groups, paths))
    return steps


def smallest_group(cells: Cells) -> int:
    """Patients in the smallest group; 0 where there are no two groups."""
    patients = cells.table.frame[["patient", "diagnosis"]].dropna().drop_duplicates()
    sizes = patients["diagnosis"].value_counts()
    return int(sizes.min()) if len(sizes) > 1 else 0


def n_bytes_of(n_images: int) -> int:
    """About what the results of so many images take, in bytes: float16 tokens, pictures, and room to spare."""
    return n_images * (2 * N_TOKENS * D_MODEL + PICTURE_BYTES) + SPARE_BYTES


def _cells(settings: PipelineSettings, cells: Cells, paths: RunPaths) -> PipelineStep:
    def make(progress_of: ProgressOf) -> None:
        render(settings, paths.cells, progress_of("rendering SIMULATED cells"))

    return PipelineStep("cells", paths.rendered / MANIFEST, make, cells.describe)


def _tokens(settings: PipelineSettings, cells: Cells, paths: RunPaths) -> PipelineStep:
    marker = paths.tokens / MANIFEST

    def make(progress_of: ProgressOf) -> None:
        from cytosae_core.pipeline.make import make_tokens

        make_tokens(settings, cells, paths, progress_of)

    def describe() -> str:
        manifest = read_json(marker, "delete its folder, and run the same command again")
        shape = f"{manifest['n_images']:,} x {manifest['n_tokens']} of width {manifest['d_model']}"
        return f"{shape}, {manifest['backbone']['name']}, block {settings.block}"

    return PipelineStep("tokens", marker, make, describe, ("cells",))


def _sae(settings: PipelineSettings, paths: RunPaths) -> PipelineStep:
    marker = paths.sae / MANIFEST

    def make(progress_of: ProgressOf) -> None:
        from cytosae_core.pipeline.make import make_sae

        make_sae(settings, paths, progress_of)

    def describe() -> str:
        manifest = read_json(marker, "delete its folder, and run the same command again")
        found = manifest["evaluation"]
        return (
            f"{manifest['d_sae']:,} latents, {found['l0']:.0f} active per token, "
            f"{found['explained_variance']:.0%} of the variance explained on held-out images"
        )

    return PipelineStep("autoencoder", marker, make, describe, ("tokens",))


def _atlas(settings: PipelineSettings, cells: Cells, paths: RunPaths) -> PipelineStep:
    def make(progress_of: ProgressOf) -> None:
        from cytosae_core.pipeline.make import make_atlas

        make_atlas(settings, cells, paths, progress_of)

    def describe() -> str:
        atlas = LatentAtlas.open(paths.atlas)
        n_high = int(high_activation(atlas.statistics(cells.dataset)["mean_activation"].to_numpy()).sum())
        n_pictures = sum(info.n_pictures for info in atlas.datasets)
        return f"{n_high:,} latents of interest, {n_pictures:,} pictures"

    reads = ("cells", "tokens", "autoencoder")
    return PipelineStep("atlas", paths.atlas / MANIFEST, make, describe, reads, is_wanted=True)


def _patients(settings: PipelineSettings, cells: Cells, n_folds: int, paths: RunPaths) -> PipelineStep:
    def make(progress_of: ProgressOf) -> None:
        from cytosae_core.pipeline.make import make_patients

        make_patients(settings, n_folds, paths, progress_of)

    def describe() -> str:
        scores = read_result(paths.patients, "scores")[0].set_index("method")["weighted_f1"]
        chance = read_result(paths.patients, "permutation")[0].set_index("method")["p_value"]
        return (
            f"weighted F1 {scores[PROBE]:.2f} from barcodes, {scores[MAJORITY]:.2f} from the largest group alone "
            f"(permutation test p = {chance[PROBE]:.3f})"
        )

    marker = results_marker(paths.patients, cells.simulated)
    return PipelineStep("patients", marker, make, describe, ("atlas",), is_wanted=True)


def _differential(settings: PipelineSettings, cells: Cells, groups: tuple[str, str], paths: RunPaths) -> PipelineStep:
    def make(progress_of: ProgressOf) -> None:
        from cytosae_core.pipeline.make import make_differential

        make_differential(settings, cells, groups, paths, progress_of)

    def describe() -> str:
        table = read_result(paths.differential, "differential")[0]
        counts = table["direction"].value_counts()
        found = " and ".join(f"{counts.get(group, 0)} stronger in {group}" for group in groups)
        if "is_planted" in table:
            found += f"; {table['is_planted'].mean():.0%} stand for cells that were rendered more often there"
        return found

    marker = results_marker(paths.differential, cells.simulated)
    reads = ("cells", "tokens", "autoencoder", "atlas") if cells.rendered is not None else ("atlas",)
    return PipelineStep("groups", marker, make, describe, reads, is_wanted=True)


def paths_of_rendered(folder: Path, settings: PipelineSettings) -> RunPaths:
    """The paths of rendered cells of these settings below `folder`."""
    return RunPaths(folder / f"SIMULATED-demo-{settings.digest('drawn')}")


def paths_of(folder: Path, settings: PipelineSettings, cells: Cells) -> RunPaths:
    """The paths of a user's cells and these settings below `folder`."""
    mark = "SIMULATED-" if cells.simulated else ""
    return RunPaths(folder / f"{mark}{cells.dataset}-{settings.digest(cells.table.fingerprint)}")
