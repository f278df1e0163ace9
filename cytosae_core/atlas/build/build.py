"""Backbone + SAE + images -> an atlas, in one streaming pass; again after any interruption, by any number of processes.

The images of each data set are cut into parts. A part is computed alone and kept in the hidden folder `.<name>.parts`
beside the atlas; adding the parts up gives the same bits whoever made them, and in whatever order. The reference images
of the whole are then looked at a second time, for their maps and patches. The lead writes and publishes the atlas.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cytosae_core import method
from cytosae_core.artifacts.folders import refuse_existing
from cytosae_core.artifacts.manifest import check_plan, write_plan
from cytosae_core.atlas.build.collect import Collected, collect
from cytosae_core.atlas.build.encode import SparseEncoder
from cytosae_core.atlas.build.finish import finish
from cytosae_core.atlas.build.options import BuildConfig
from cytosae_core.atlas.build.parts import PartMaker, write_part
from cytosae_core.atlas.build.patients import Patients, find_patients
from cytosae_core.atlas.build.plan import BuildPlan, DatasetInput, Piece
from cytosae_core.atlas.build.second_pass import SecondPass, write_arrays
from cytosae_core.atlas.manifest import Manifest, check_dataset_names, read_manifest
from cytosae_core.backbone.team import Team
from cytosae_core.progress import Progress, ProgressOf, no_progress_of
from cytosae_core.sae.checkpoint import Checkpoint

_ALONE = Team()
_DEFAULTS = BuildConfig()


def build_atlas(
    checkpoint: Checkpoint, datasets: Sequence[DatasetInput], out: Path, config: BuildConfig = _DEFAULTS, *,
    device: str = "cpu", team: Team = _ALONE, progress_of: ProgressOf = no_progress_of,
) -> Manifest | None:  # fmt: skip
    """Publish the atlas of these data sets at `out`; resumes what an earlier run left.

    Returns None where other machines' parts are missing. Raises ConfigError when `out` exists or a choice does not fit
    the data sets, ArtifactError when what lies in the folder of parts was begun with other settings, or the disk is
    full, and what the token sources raise.
    """
    refuse_existing(out)
    plan = BuildPlan(checkpoint, datasets, out, config)
    check_dataset_names(plan.names)
    document = plan.to_document()
    if team.is_lead:
        plan.folder.mkdir(parents=True, exist_ok=True)
        write_plan(plan.folder, document)
    team.wait()
    check_plan(plan.folder, document)
    encoder = SparseEncoder(checkpoint.weights, config.definitions, device)
    patients = [find_patients(one.tokens.index) if name == document["barcodes_of"] else None
                for name, one in zip(plan.names, datasets, strict=True)]  # fmt: skip
    _first_look(plan, encoder, patients, team, progress_of)
    if not all(_is_done(plan, piece) for piece in plan.pieces()):
        return None
    collected = [_collected(plan, index, of_dataset) for index, of_dataset in enumerate(patients)]
    marked, keep = marked_latents(collected, config), _no_noise(plan, collected)
    _second_look(plan, encoder, collected, marked, keep, team, progress_of)
    if team.is_lead:
        finish(plan, collected, marked, progress_of("pictures"))
        shutil.rmtree(plan.folder)
    team.wait()
    return read_manifest(out)


def marked_latents(collected: Sequence[Collected], config: BuildConfig) -> npt.NDArray[np.bool_]:
    """(n_latents,) latents whose references get pictures."""
    means = np.stack([one.statistics.mean_activation for one in collected])
    return method.of_interest(means, all_latents=config.all_pictures)


def _no_noise(plan: BuildPlan, collected: Sequence[Collected]) -> npt.NDArray[np.bool_]:
    dataset_index = plan.names.index(plan.config.noise.dataset_among(plan.names))
    return plan.config.noise.keep(collected[dataset_index].statistics.mean_activation)


def _collected(plan: BuildPlan, dataset_index: int, patients: Patients | None) -> Collected:
    names = [piece.name for piece in plan.pieces() if piece.dataset_index == dataset_index]
    given = plan.datasets[dataset_index]
    return collect(plan.folder, names, given, patients, plan.config.definitions, plan.checkpoint.d_sae)


def _is_done(plan: BuildPlan, piece: Piece) -> bool:
    return (plan.folder / f"{piece.name}.npz").is_file()


def _todo(plan: BuildPlan, pieces: list[Piece], team: Team) -> list[Piece]:
    """The pieces that this process has to do."""
    share = pieces[plan.config.machine :: plan.config.n_machines]
    left = [piece for piece in share if not _is_done(plan, piece)]
    team.wait()  # all have seen the same list before anybody shortens it
    return left[team.rank :: team.n_ranks]


def _work(todo: list[Piece], make: Callable[[Piece, Progress], None], progress: Progress) -> None:
    """Make the pieces one by one; `progress` counts images."""
    n_all, n_before = sum(len(piece.rows) for piece in todo), 0
    progress(0, n_all)
    for piece in todo:
        done = n_before

        def within(n_done: int, n_in_piece: int, done: int = done) -> None:
            progress(done + n_done, n_all)

        make(piece, within)
        n_before += len(piece.rows)
        progress(n_before, n_all)


def _first_look(
    plan: BuildPlan, encoder: SparseEncoder, patients: Sequence[Patients | None], team: Team, progress_of: ProgressOf
) -> None:
    makers = [
        PartMaker(encoder, one.tokens, of_patients, plan.config.image_barcodes)
        for one, of_patients in zip(plan.datasets, patients, strict=True)
    ]

    def make(piece: Piece, progress: Progress) -> None:
        write_part(plan.folder, piece.name, makers[piece.dataset_index].make(piece.rows, progress))

    _work(_todo(plan, plan.pieces(), team), make, progress_of("all images"))
    team.wait()


def _second_look(
    plan: BuildPlan, encoder: SparseEncoder, collected: Sequence[Collected], marked: npt.NDArray[np.bool_],
    keep: npt.NDArray[np.bool_], team: Team, progress_of: ProgressOf,
) -> None:  # fmt: skip
    config = plan.config
    if not config.maps and not config.n_patch_latents:
        return
    passes = [
        SecondPass.of(
            encoder, one.source, one.top, marked, keep, with_maps=config.maps, n_patch_latents=config.n_patch_latents
        )
        for one in collected
    ]

    def make(piece: Piece, progress: Progress) -> None:
        write_arrays(plan.folder, piece.name, passes[piece.dataset_index].make(piece.rows, progress))

    _work(_todo(plan, plan.pieces("-second"), team), make, progress_of("reference images"))
    team.wait()
