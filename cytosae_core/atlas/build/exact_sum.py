"""Sums of float32 values that do not depend on their order: two integers a sum, on a coarse and a fine grid.

A value is cut into a multiple of 2^-20 and a rest that is rounded to a multiple of 2^-60 (9e-19): integer sums of both
are exact for up to 2^23 values below 2^20. So parts of a data set add up to the very bits of the whole.
"""

import numpy as np
import numpy.typing as npt

COARSE = 2.0**20
"""Units of the coarse grid in 1."""
FINE = 2.0**60
"""Units of the fine grid in 1."""

Integers = npt.NDArray[np.int64]


def split(values: npt.NDArray[np.floating]) -> Integers:
    """Values (n,), none negative, as integers (2, n): coarse and fine units; what is above 0 stays above 0."""
    exact = values.astype(np.float64)
    coarse = np.rint(exact * COARSE)
    fine = np.rint((exact - coarse / COARSE) * FINE)
    vanished = (coarse == 0) & (fine == 0) & (exact > 0)
    return np.stack([coarse, np.where(vanished, 1.0, fine)]).astype(np.int64)


def total(sums: Integers) -> npt.NDArray[np.float64]:
    """Sums (2, ...) of coarse and fine units as floats (...)."""
    return np.asarray(sums[0] / COARSE + sums[1] / FINE, dtype=np.float64)
