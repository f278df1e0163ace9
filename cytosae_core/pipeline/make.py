"""What each step does, by the functions that the single scripts call; imports torch."""

import contextlib
from collections.abc import Iterator

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from cytosae_core.artifacts.tables import write_results
from cytosae_core.atlas.build.build import build_atlas
from cytosae_core.atlas.build.plan import DatasetInput
from cytosae_core.backbone.vit import best_device, load_backbone
from cytosae_core.concepts.inputs import open_latents
from cytosae_core.concepts.planted import explain_by_cells
from cytosae_core.patients.classification import ClassificationConfig, classify_patients
from cytosae_core.patients.comparison import compare_groups
from cytosae_core.patients.inputs import open_barcodes
from cytosae_core.pipeline.cells import Cells
from cytosae_core.pipeline.paths import RunPaths
from cytosae_core.pipeline.settings import PipelineSettings
from cytosae_core.progress import ProgressOf
from cytosae_core.sae.checkpoint import read_checkpoint
from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.curves import CurvesPage
from cytosae_core.sae.logs import MetricsTable
from cytosae_core.sae.observe import Observer
from cytosae_core.sae.train import train
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from cytosae_core.tokens.source import StoreTokens
from cytosae_core.tokens.split import split_store
from cytosae_core.tokens.store import TokenStore


def make_tokens(settings: PipelineSettings, cells: Cells, paths: RunPaths, progress_of: ProgressOf) -> None:
    """The tokens of all cells, through the shipped backbone."""
    backbone = load_backbone(settings.backbone, device=best_device())
    extract(
        backbone, cells.table, paths.tokens, ExtractConfig(blocks=(settings.block,)), progress=progress_of("tokens")
    )


def make_sae(settings: PipelineSettings, paths: RunPaths, progress_of: ProgressOf) -> None:
    """A trained autoencoder with its metrics and curves; KeyboardInterrupt where Ctrl-C stopped it, all saved."""
    store = TokenStore.open(paths.tokens, settings.block)
    config = sae_config(settings, store)
    tokens, held_out = split_store(store, settings.held_out_share, settings.seed)
    table = MetricsTable(paths.sae)
    watching: list[Observer] = [table, CurvesPage(table, "sae", simulated=store.simulated)]
    progress = progress_of("autoencoder")
    with _half_of_the_threads():
        done = train(config, tokens, paths.sae, held_out=held_out, observers=watching, progress=progress, device="auto")
    if not done.is_finished:
        raise KeyboardInterrupt


def sae_config(settings: PipelineSettings, store: TokenStore) -> SaeConfig:
    """A short run: small batches of shuffled tokens, evaluated once at the end."""
    return SaeConfig(
        d_in=store.d_model,
        expansion=settings.expansion,
        l1_coefficient=settings.l1_coefficient,
        learning_rate=settings.learning_rate,
        warm_up_steps=settings.warm_up_steps,
        batch_images=settings.batch_images,
        batches="tokens",
        n_images=settings.images_to_see(store.n_images),
        seed=settings.seed,
        checkpoint_every=settings.checkpoint_every,
        evaluate_every=settings.max_trained_images,  # at the end alone
    )


def make_atlas(settings: PipelineSettings, cells: Cells, paths: RunPaths, progress_of: ProgressOf) -> None:
    """Statistics, references, maps, pictures, and barcodes where there are patients."""
    store = TokenStore.open(paths.tokens, settings.block)
    source = DatasetInput(StoreTokens.by_id(store), cells.root, cells.um_per_px, store.simulated)
    with _half_of_the_threads():
        build_atlas(
            read_checkpoint(paths.sae).latents_first(),
            [source],
            paths.atlas,
            device=best_device(),
            progress_of=progress_of,
        )


def make_patients(settings: PipelineSettings, n_folds: int, paths: RunPaths, progress_of: ProgressOf) -> None:
    """Patients told apart by their barcodes, beside the majority class, with a test against chance."""
    atlas, barcodes = open_barcodes(paths.atlas)
    mean = atlas.statistics(barcodes.dataset)["mean_activation"].to_numpy(dtype="float64", na_value=float("nan"))
    config = ClassificationConfig(
        n_folds=n_folds, n_seeds=settings.n_seeds, first_seed=settings.seed, thresholds=settings.thresholds,
        n_permutations=settings.n_permutations,
    )  # fmt: skip
    with threadpool_limits(limits=1):  # so few patients: threads of the linear algebra only wait for each other
        tables = classify_patients(
            barcodes, mean, config=config, progress=progress_of("patients"), test_progress=progress_of("permutations")
        )
    record = {"recipe": settings, "classification": config, "atlas_id": atlas.atlas_id, "sae_id": atlas.sae_id}
    write_results(paths.patients, tables, record, simulated=atlas.simulated)


def make_differential(
    settings: PipelineSettings, cells: Cells, groups: tuple[str, str], paths: RunPaths, progress_of: ProgressOf
) -> None:
    """The latents that differ between two groups; of rendered cells, with the type that each of them stands for."""
    atlas, barcodes = open_barcodes(paths.atlas)
    table = compare_groups(
        barcodes, *groups, seed=settings.seed, n=settings.n_differential, n_bootstrap=settings.n_bootstrap,
        min_images=1, progress=progress_of("bootstrap"),
    )  # fmt: skip
    if cells.rendered is not None:
        directions, _ = open_latents(paths.sae, atlas.sae_id)
        tokens = StoreTokens.open(paths.tokens, settings.block)
        table = explain_by_cells(table, directions, tokens, cells.rendered, groups)
    record = {"recipe": settings, "groups": groups, "atlas_id": atlas.atlas_id, "sae_id": atlas.sae_id}
    write_results(paths.differential, {"differential": table}, record, simulated=atlas.simulated)


@contextlib.contextmanager
def _half_of_the_threads() -> Iterator[None]:
    """Torch with half of its threads: the many short products of narrow tokens gain little from more of them, and on a
    machine that has other work to do they wait for each other, up to 30 times as long."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(max(1, n_threads // 2))
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
