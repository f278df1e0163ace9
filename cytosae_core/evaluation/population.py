"""What judged items stand for: the latents of the clusters that they were sampled from."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from cytosae_core.evaluation.tally import FloatArray

PLAIN, CLUSTER_WEIGHTED = "plain", "cluster_weighted"
"""Each item counts once, or for the latents that it stands for."""


def item_weights_of(strata: Sequence[int | None], sizes: Mapping[int, int]) -> tuple[dict[str, FloatArray], FloatArray]:
    """Weights of judged items by weighting, and the judged fraction of each item's cluster.

    `sizes` are the eligible latents of each cluster. The latents of a cluster are shared by its judged items, so
    missing answers take no weight from it. Items of no known cluster have plain weights only.
    """
    weights, fractions = {PLAIN: np.ones(len(strata))}, np.zeros(len(strata))
    if strata and all(stratum in sizes for stratum in strata):
        n_judged = Counter(strata)
        population = np.array([sizes[stratum] for stratum in strata if stratum is not None], dtype=np.float64)
        judged = np.array([n_judged[stratum] for stratum in strata], dtype=np.float64)
        weights[CLUSTER_WEIGHTED] = population / judged
        fractions = np.minimum(judged / np.maximum(population, 1), 1)
    return weights, fractions
