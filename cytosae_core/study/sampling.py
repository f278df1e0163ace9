"""Which latents the experts are asked about: a seeded sample, stratified by clusters.

High-activation latents (`method.high_activation`) are clustered by k-means on their raw (mean
activation, frequency), as the authors' released code does, and the same number is sampled from each cluster.
That makes every cluster a stratum: a rate over the sampled latents speaks for all of them only when each
latent is weighted by `n_eligible / n_drawn` of its stratum, which is why the sizes are kept.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from cytosae_core.errors import AnalysisError
from cytosae_core.method import LOG10_THRESHOLD, N_CLUSTERS, N_PER_CLUSTER, high_activation

N_INIT = 10
"""k-means starts, of which the best is kept."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Cluster:
    """One stratum of the sample."""

    stratum: int
    n_latents: int
    """High-activation latents in the cluster."""
    n_eligible: int
    """Those with enough reference images on disk."""
    n_drawn: int


@dataclass(frozen=True)
class Sample:
    """Sampled latents, the strata they stand for, and how it went."""

    latents: pd.DataFrame
    """Columns latent, stratum, block; ordered by block, then stratum."""
    strata: tuple[Cluster, ...]
    """One for each cluster, in the order of the clusters' mean activation."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Thresholds, seed, counts, cluster centres and top-ups: plain JSON values."""


def high_activation_latents(statistics: pd.DataFrame, log10_threshold: float = LOG10_THRESHOLD) -> pd.DataFrame:
    """Columns mean_activation and frequency of the latents with log10 mean activation above the threshold.

    Latents that never fire have no mean and are left out. The frame is sorted by latent.
    """
    mean = statistics["mean_activation"].to_numpy(np.float64, na_value=np.nan)
    high: pd.DataFrame = statistics.loc[high_activation(mean, log10_threshold), ["mean_activation", "frequency"]]
    return high.astype("float64").sort_index()


def cluster_latents(high: pd.DataFrame, n_clusters: int, seed: int) -> tuple[IntArray, NDArray[np.float64]]:
    """Cluster number of each latent `(n_high,)` and centres `(n_clusters, 2)`, by k-means on the raw columns.

    Clusters are numbered by centre: by rising mean activation, then frequency. One thread, so that the
    same seed gives the same clusters on any machine. Raises AnalysisError when there are fewer different points
    than clusters.
    """
    points = high.to_numpy()
    n_different = len(np.unique(points, axis=0))
    if n_different < n_clusters:
        raise AnalysisError(
            f"{len(high)} high-activation latents with {n_different} different (mean, frequency) pairs cannot make "
            f"{n_clusters} clusters; lower the activation threshold or ask for at most {n_different} clusters"
        )
    with threadpool_limits(limits=1):
        fitted = KMeans(n_clusters=n_clusters, n_init=N_INIT, random_state=seed).fit(points)
    by_centre = np.lexsort(fitted.cluster_centers_.T[::-1])
    number_of = np.empty(n_clusters, dtype=np.int64)
    number_of[by_centre] = np.arange(n_clusters)
    return number_of[fitted.labels_], fitted.cluster_centers_[by_centre]


def allot(n_eligible: IntArray, n_per_cluster: int) -> IntArray:
    """How many to sample from each cluster `(n_clusters,)`, topping up where a cluster is too small.

    Each of the missing ones goes to the cluster whose sampled latents stand for the most eligible ones: the
    largest, until they are evened out. The sum is `n_clusters * n_per_cluster`, or all when there are fewer.
    """
    n_sampled = np.minimum(n_eligible, n_per_cluster)
    n_wanted = min(int(n_eligible.sum()), len(n_eligible) * n_per_cluster)
    for _ in range(n_wanted - int(n_sampled.sum())):
        stands_for = np.where(n_sampled < n_eligible, n_eligible / np.maximum(n_sampled, 1), -1.0)
        n_sampled[int(np.argmax(stands_for))] += 1
    return n_sampled


def sample_latents(
    statistics: pd.DataFrame,
    n_pictures: "pd.Series[int]",
    *,
    log10_threshold: float = LOG10_THRESHOLD,
    n_clusters: int = N_CLUSTERS,
    n_per_cluster: int = N_PER_CLUSTER,
    min_pictures: int = 5,
    seed: int,
) -> Sample:
    """Sample `n_per_cluster` latents from each of `n_clusters` clusters of high-activation latents.

    `statistics` is indexed by latent, with mean_activation (missing where the latent never fires) and frequency;
    `n_pictures` gives the reference images on disk of each latent (a latent that is not in it has none). A latent
    is eligible with at least `min_pictures` of them. Raises AnalysisError when a number is not positive, or when
    there are fewer eligible latents than are to be sampled.
    """
    _check_positive(n_clusters=n_clusters, n_per_cluster=n_per_cluster)
    high = high_activation_latents(statistics, log10_threshold)
    clusters, centres = cluster_latents(high, n_clusters, seed)
    is_eligible = (n_pictures.reindex(high.index).fillna(0) >= min_pictures).to_numpy()
    n_eligible = np.bincount(clusters[is_eligible], minlength=n_clusters)
    n_wanted = n_clusters * n_per_cluster
    if n_eligible.sum() < n_wanted:
        raise AnalysisError(
            f"only {n_eligible.sum()} of {len(high)} high-activation latents have at least {min_pictures} reference "
            f"images on disk, but {n_wanted} are to be sampled; put more images on disk, lower min_pictures, or sample "
            "fewer per cluster"
        )
    n_sampled = allot(n_eligible, n_per_cluster)
    sampled = [
        _sampled(high.index[(clusters == stratum) & is_eligible].to_numpy(), int(n), seed, stratum)
        for stratum, n in enumerate(n_sampled)
    ]
    n_latents = np.bincount(clusters, minlength=n_clusters)
    strata = tuple(
        Cluster(stratum, int(n_latents[stratum]), int(n_eligible[stratum]), int(n_sampled[stratum]))
        for stratum in range(n_clusters)
    )
    notes = {
        "log10_threshold": log10_threshold,
        "n_clusters": n_clusters,
        "n_per_cluster": n_per_cluster,
        "min_pictures": min_pictures,
        "seed": seed,
        "clustering": f"k-means on raw (mean activation, frequency), n_init {N_INIT}",
        "n_high_activation": len(high),
        "n_eligible": int(n_eligible.sum()),
        "centres": [[float(mean), float(frequency)] for mean, frequency in centres],
        "top_ups": _top_ups(n_sampled, n_eligible, n_per_cluster),
    }
    return Sample(_in_blocks(sampled, n_per_cluster), strata, notes)


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise AnalysisError(f"{name} is {number}; it must be at least 1")


def _sampled(candidates: IntArray, n: int, seed: int, stratum: int) -> list[int]:
    """`n` of a stratum's latents in random order; each stratum has its own stream of random numbers."""
    shuffled = np.random.default_rng([seed, stratum]).permutation(
        np.array(candidates)
    )  # a copy: an empty view cannot be shuffled
    return [int(latent) for latent in shuffled[:n]]


def _top_ups(n_sampled: IntArray, n_eligible: IntArray, n_per_cluster: int) -> list[str]:
    return [
        f"cluster {stratum}: {n} drawn instead of {n_per_cluster} "
        + (
            f"(only {n_eligible[stratum]} eligible)"
            if n < n_per_cluster
            else "(in place of clusters that are too small)"
        )
        for stratum, n in enumerate(n_sampled)
        if n != n_per_cluster
    ]


def _in_blocks(sampled: list[list[int]], n_blocks: int) -> pd.DataFrame:
    """One latent of each stratum to a block; what is left over goes where a block has fewest."""
    blocks: list[list[tuple[int, int]]] = [[] for _ in range(n_blocks)]
    for stratum, latents in enumerate(sampled):
        for block, latent in zip(blocks, latents, strict=False):
            block.append((stratum, latent))
    for stratum, latents in enumerate(sampled):
        for latent in latents[n_blocks:]:
            min(blocks, key=len).append((stratum, latent))
    rows = [(latent, stratum, number) for number, block in enumerate(blocks) for stratum, latent in sorted(block)]
    return pd.DataFrame(rows, columns=["latent", "stratum", "block"]).astype("int64")
