"""How nearly two answers of an ordered question agree, by name."""

from typing import Literal, get_args

import numpy as np

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation.tally import FloatArray

Scale = Literal["identity", "linear", "quadratic"]


def category_weights(scale: Scale, n_categories: int) -> FloatArray:
    """w_kl `(q, q)` of ordered categories 1 to q (Gwet, Handbook, chapter 3).

    identity: 1 if k = l, else 0. linear: 1 - |k - l| / (q - 1). quadratic: 1 - (k - l)^2 / (q - 1)^2. Raises
    AnalysisError for an unknown name.
    """
    if scale not in get_args(Scale):
        raise AnalysisError(f"weights {scale!r} are not known; choose one of {list(get_args(Scale))}")
    steps = np.abs(np.subtract.outer(np.arange(n_categories), np.arange(n_categories))) / max(n_categories - 1, 1)
    if scale == "identity":
        return np.eye(n_categories)
    return 1 - (steps if scale == "linear" else steps**2)
