"""The table of differential latents: the paper's ranking, and beside it how large, how sure and how stable it is."""

import pandas as pd

from cytosae_core.method import N_DIFFERENTIAL
from cytosae_core.patients.differential import PatientCounts, Ranking, differential_latents
from cytosae_core.patients.effect import latent_effects
from cytosae_core.patients.stability import top_stability
from cytosae_core.progress import Progress, no_progress


def compare_groups(
    barcodes: PatientCounts,
    group_a: str,
    group_b: str,
    *,
    seed: int,
    n: int = N_DIFFERENTIAL,
    ranking: Ranking = "corrected",
    min_images: int = 0,
    n_bootstrap: int = 1000,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """The rows of `differential_latents` with the columns of `latent_effects` and `top_stability` beside them.

    q values are over all latents, not over the listed ones. Raises AnalysisError like `differential_latents`.
    """
    listed = differential_latents(barcodes, group_a, group_b, n=n, ranking=ranking, min_images=min_images)
    effects = latent_effects(barcodes, group_a, group_b, min_images=min_images)
    stability = top_stability(
        barcodes, group_a, group_b, seed=seed, n=n, n_bootstrap=n_bootstrap, ranking=ranking, min_images=min_images,
        progress=progress,
    )  # fmt: skip
    table = listed.join(effects, on="latent").merge(stability, on=["latent", "direction"], how="left")
    # a latent that no sample put on the list was never there
    return table.fillna({"top_share": 0.0, "rank_low": n + 1, "rank_median": n + 1, "rank_high": n + 1})
