"""Multinomial logistic regression of a few hundred rows, to its optimum.

With Z (n, d), labels y of k kinds, W (d, k) and b (k,), the sum over the rows of

    -log softmax(Z W + b)[y]     plus     |W|^2 / (2 C)

is what scikit-learn minimises, too. Its L-BFGS stops by the size of the gradient of the mean; with many more latents
than patients the groups can be told apart without error, C is large, and every gradient is small long before the
optimum. Here Newton's method stops when one more step would lower the sum by a tiny share of itself, whatever its size.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DECREASE = 1e-10
"""Share of the sum that one more step may still take off it at the end."""
MAX_STEPS = 200
MAX_INNER = 300
"""Conjugate gradients in a step."""
INNER_SHARE = 0.1
"""What a step leaves of the residual of its linear equations."""


class Softmax(NamedTuple):
    """A fitted regression."""

    classes: IntArray
    """(k,) the labels."""
    weights: FloatArray
    """(d + 1, k): W, and b in the last row."""

    def predict(self, z: FloatArray) -> IntArray:
        """The likeliest label (n,) of each row of `z` (n, d)."""
        predicted: IntArray = self.classes[(z @ self.weights[:-1] + self.weights[-1]).argmax(axis=1)]
        return predicted


def fit_softmax(z: FloatArray, y: IntArray, c: float, *, max_steps: int = MAX_STEPS) -> Softmax:
    """Fit `z` (n, d) to `y` (n,) with inverse penalty `c`; two kinds get the penalty of scikit-learn's single logit.

    Warns where `max_steps` were not enough.
    """
    classes, codes = np.unique(y, return_inverse=True)
    problem = _Problem(z, np.eye(len(classes))[codes], (2 if len(classes) == 2 else 1) / c)
    weights = np.zeros((z.shape[1] + 1, len(classes)))
    value, shares = problem.value(weights)
    for _ in range(max_steps):
        step, slope = problem.newton_step(weights, shares)
        if -slope <= DECREASE * value:
            break
        size, new, new_shares = 1.0, *problem.value(weights + step)
        while new > value + 1e-4 * size * slope and size > 1e-6:
            size /= 2
            new, new_shares = problem.value(weights + size * step)
        weights, value, shares = weights + size * step, new, new_shares
    else:
        warnings.warn(f"the regression stopped after {max_steps} steps", ConvergenceWarning, stacklevel=2)
    return Softmax(classes, weights)


class _Problem:
    """The sum to be made small, over weights (d + 1, k)."""

    def __init__(self, z: FloatArray, is_own: FloatArray, penalty: float) -> None:
        self.z = np.hstack([z, np.ones((len(z), 1))])  # (n, d + 1)
        self.z_t = np.ascontiguousarray(self.z.T)
        self.squares_t = self.z_t**2
        self.is_own = is_own  # (n, k)
        self.penalty = np.full((self.z.shape[1], 1), penalty)
        self.penalty[-1] = 0  # that of the intercepts

    def value(self, weights: FloatArray) -> tuple[float, FloatArray]:
        """The sum, and the shares (n, k) that the softmax gives each kind."""
        logits = self.z @ weights
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        value = (self.penalty * weights * weights).sum() / 2 - (logits * self.is_own).sum()
        return float(value), np.exp(logits)

    def newton_step(self, weights: FloatArray, shares: FloatArray) -> tuple[FloatArray, float]:
        """Newton's step (d + 1, k), by conjugate gradients scaled with the diagonal, and the slope of the sum on it."""
        gradient = self.z_t @ (shares - self.is_own) + self.penalty * weights
        diagonal = self.squares_t @ (shares * (1 - shares)) + self.penalty + np.finfo(float).tiny
        step, residual = np.zeros_like(weights), -gradient
        scaled = residual / diagonal
        direction, size = scaled, float(np.vdot(residual, scaled))
        enough = INNER_SHARE**2 * size
        for _ in range(MAX_INNER):
            bent = self._curvature(direction, shares)
            curvature = float(np.vdot(direction, bent))
            if curvature <= 0:  # nothing is left but rounding
                break
            step += size / curvature * direction
            residual -= size / curvature * bent
            scaled = residual / diagonal
            size, before = float(np.vdot(residual, scaled)), size
            if size <= enough:
                break
            direction = scaled + size / before * direction
        return step, float(np.vdot(gradient, step))

    def _curvature(self, direction: FloatArray, shares: FloatArray) -> FloatArray:
        """The second derivative (d + 1, k) times a direction."""
        moved = self.z @ direction
        moved -= (shares * moved).sum(axis=1, keepdims=True)
        bent: FloatArray = self.z_t @ (shares * moved) + self.penalty * direction
        return bent
