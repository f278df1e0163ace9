"""Latents of interest: those whose reference images get pictures, and the patches of these images their lists."""

import numpy as np
import numpy.typing as npt

LOG10_THRESHOLD = -3.0
"""Latents above this log10 mean activation are the "high-activation" ones that the paper looks at."""


def of_interest(means: npt.NDArray[np.float64], *, all_latents: bool) -> npt.NDArray[np.bool_]:
    """(n_latents,) latents above the threshold on any data set, or all; means (n_datasets, n_latents), NaN: never."""
    if all_latents:
        return np.ones(means.shape[1], dtype=bool)
    return np.asarray((np.nan_to_num(means) > 10**LOG10_THRESHOLD).any(axis=0))
