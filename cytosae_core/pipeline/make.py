"""What each stage does, by the functions that the single scripts call; imports torch."""

import contextlib
from collections.abc import Iterator

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from cytosae_core.artifacts.results import write_results
from cytosae_core.atlas.build.build import Steps, build_atlas
from cytosae_core.atlas.build.plan import DatasetInput
from cytosae_core.backbone.vit import best_device, load_backbone
from cytosae_core.concepts.inputs import open_latents
from cytosae_core.concepts.planted import explain_by_cells
from cytosae_core.patients.classification import ClassificationConfig, classify_patients
from cytosae_core.patients.comparison import compare_groups
from cytosae_core.patients.inputs import open_barcodes
from cytosae_core.pipeline.cells import Cells
from cytosae_core.pipeline.place import Place
from cytosae_core.pipeline.recipe import Recipe
from cytosae_core.sae.checkpoint import read_checkpoint
from cytosae_core.sae.config import SaeConfig
from cytosae_core.sae.curves import CurvesPage
from cytosae_core.sae.logs import MetricsTable
from cytosae_core.sae.observe import Observer
from cytosae_core.sae.train import train
from cytosae_core.tokens.dataset_tokens import StoreTokens
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from cytosae_core.tokens.source import split_store
from cytosae_core.tokens.store import TokenStore


def make_tokens(recipe: Recipe, cells: Cells, place: Place, steps: Steps) -> None:
    """The tokens of all cells, through the shipped backbone."""
    backbone = load_backbone(recipe.backbone, device=best_device())
    extract(backbone, cells.table, place.tokens, ExtractConfig(blocks=(recipe.block,)), progress=steps("tokens"))


def make_sae(recipe: Recipe, place: Place, steps: Steps) -> None:
    """A trained autoencoder with its metrics and curves; KeyboardInterrupt where Ctrl-C stopped it, all saved."""
    store = TokenStore.open(place.tokens, recipe.block)
    config = sae_config(recipe, store)
    tokens, held_out = split_store(store, recipe.held_out_share, recipe.seed)
    table = MetricsTable(place.sae)
    watching: list[Observer] = [table, CurvesPage(table, "sae", simulated=store.simulated)]
    progress = steps("autoencoder")
    with _half_of_the_threads():
        done = train(config, tokens, place.sae, held_out=held_out, observers=watching, progress=progress, device="auto")
    if not done.is_finished:
        raise KeyboardInterrupt


def sae_config(recipe: Recipe, store: TokenStore) -> SaeConfig:
    """A short run: small batches of shuffled tokens, evaluated once at the end."""
    return SaeConfig(
        d_in=store.d_model,
        expansion=recipe.expansion,
        l1_coefficient=recipe.l1_coefficient,
        learning_rate=recipe.learning_rate,
        warm_up_steps=recipe.warm_up_steps,
        batch_images=recipe.batch_images,
        batches="tokens",
        n_images=recipe.images_to_see(store.n_images),
        seed=recipe.seed,
        checkpoint_every=recipe.checkpoint_every,
        evaluate_every=recipe.max_trained_images,  # at the end alone
    )


def make_atlas(recipe: Recipe, cells: Cells, place: Place, steps: Steps) -> None:
    """Statistics, references, maps, pictures, and barcodes where there are patients."""
    store = TokenStore.open(place.tokens, recipe.block)
    source = DatasetInput(StoreTokens(store), cells.root, cells.um_per_px, store.simulated)
    with _half_of_the_threads():
        build_atlas(
            read_checkpoint(place.sae).latents_first(), [source], place.atlas, device=best_device(), steps=steps
        )


def make_patients(recipe: Recipe, n_folds: int, place: Place, steps: Steps) -> None:
    """Patients told apart by their barcodes, beside the majority class, with a test against chance."""
    atlas, barcodes = open_barcodes(place.atlas)
    mean = atlas.statistics(barcodes.dataset)["mean_activation"].to_numpy(dtype="float64", na_value=float("nan"))
    config = ClassificationConfig(
        n_folds=n_folds, n_seeds=recipe.n_seeds, first_seed=recipe.seed, thresholds=recipe.thresholds,
        n_permutations=recipe.n_permutations,
    )  # fmt: skip
    with threadpool_limits(limits=1):  # so few patients: threads of the linear algebra only wait for each other
        tables = classify_patients(
            barcodes, mean, config=config, progress=steps("patients"), test_progress=steps("permutations")
        )
    settings = {"recipe": recipe, "classification": config, "atlas_id": atlas.atlas_id, "sae_id": atlas.sae_id}
    write_results(place.patients, tables, settings, simulated=atlas.simulated)


def make_differential(recipe: Recipe, cells: Cells, groups: tuple[str, str], place: Place, steps: Steps) -> None:
    """The latents that differ between two groups; of drawn cells, with the type that each of them stands for."""
    atlas, barcodes = open_barcodes(place.atlas)
    table = compare_groups(
        barcodes, *groups, seed=recipe.seed, n=recipe.n_differential, n_bootstrap=recipe.n_bootstrap, min_images=1,
        progress=steps("bootstrap"),
    )  # fmt: skip
    if cells.drawn is not None:
        directions, _ = open_latents(place.sae, atlas.sae_id)
        store = TokenStore.open(place.tokens, recipe.block)
        table = explain_by_cells(table, directions, store, cells.drawn, groups)
    settings = {"recipe": recipe, "groups": groups, "atlas_id": atlas.atlas_id, "sae_id": atlas.sae_id}
    write_results(place.differential, {"differential": table}, settings, simulated=atlas.simulated)


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
