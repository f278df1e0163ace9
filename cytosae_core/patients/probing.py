"""Which of several groups a patient belongs to, told by logistic regression from one vector per patient.

The paper's probe: multinomial logistic regression with an L2 penalty on the patients' barcodes. Its regularisation can
be read in two ways, with c groups, n training patients and d latents: "samples" is scikit-learn's `C = c n / 100` (the
paper's words), "features" is `C = d c / 100` (the code that the paper cites). Both are offered.

With far fewer patients than latents the fit is made in the span of the patients. With `K = X X^T = U L U^T` for the
training patients, `Z = U L^(1/2)` has the same inner products as `X`, and the L2-penalised optimum lies in their span:
predictions are those of the fit on `X`, at the cost of n columns in place of d. Features are centred, which changes
no prediction because the intercept is not penalised.
"""

from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from cytosae_core.errors import AnalysisError

CRule = Literal["samples", "features"]
C_RULES: tuple[CRule, ...] = ("samples", "features")
"""What scikit-learn's C grows with; tables have it in the column `reading`."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NOISE = 1e-12
"""Directions with less than this share of the largest eigenvalue are rounding noise."""
MAX_ITER = 1_000
TOLERANCE = 1e-10
"""Largest gradient of the mean loss at the end. With many more latents than patients the groups can be told apart
without error and C is large: every gradient is small long before the optimum, and 1e-6 stops there."""


class Prediction(NamedTuple):
    """What a method says of the patients of one fold."""

    codes: IntArray
    """(n_test,) group of each patient as a number."""
    chosen: str = ""
    """What was chosen on the training patients, where anything was."""


class Method(Protocol):
    """A way of telling groups apart: it may look at the training patients only."""

    def __call__(self, codes: IntArray, train: IntArray, test: IntArray, seed: int) -> Prediction:
        """Predict the patients `test`, from the groups `codes[train]` (positions in all patients)."""


def inverse_strength(c_rule: CRule, *, n_groups: int, n_train: int, n_features: int) -> float:
    """scikit-learn's C under one of the rules; raises AnalysisError for an unknown one."""
    if c_rule not in C_RULES:
        raise AnalysisError(f"rule {c_rule!r} for C is not known; choose one of {', '.join(C_RULES)}")
    return n_groups * (n_train if c_rule == "samples" else n_features) / 100


def inner_products(features: NDArray[np.floating]) -> FloatArray:
    """K = X X^T (n_patients, n_patients) of centred features X (n_patients, n_features)."""
    wide = np.asarray(features, dtype=np.float64)
    centred = wide - wide.mean(axis=0)
    products: FloatArray = centred @ centred.T
    return products


def fit_and_predict(products: FloatArray, codes: IntArray, train: IntArray, test: IntArray, c: float) -> IntArray:
    """Groups (n_test,) that the regression with inverse penalty `c` on the training patients predicts.

    `products` are the inner products of all patients, `inner_products`.
    """
    values, vectors = np.linalg.eigh(products[np.ix_(train, train)])
    kept = values > max(values[-1], 0.0) * NOISE
    if not kept.any():  # all training patients are alike: the largest group is the best guess
        return np.full(len(test), np.bincount(codes[train]).argmax())
    # One factor on all features, undone in the penalty, so that the optimiser meets numbers near 1.
    scale = float(values[kept].mean())
    roots = np.sqrt(values[kept] / scale)
    z_train = vectors[:, kept] * roots
    z_test = products[np.ix_(test, train)] @ vectors[:, kept] / (roots * scale)
    predicted: IntArray = fit_regression(z_train, codes[train], c * scale).predict(z_test)
    return predicted


def fit_regression(z: FloatArray, y: IntArray, c: float) -> LogisticRegression:
    """The regression of `y` (n,) on `z` (n, d) with inverse penalty `c`, at its optimum.

    Newton's method gets there; L-BFGS takes three times as long, or stops before it.
    """
    return LogisticRegression(C=c, solver="newton-cg", max_iter=MAX_ITER, tol=TOLERANCE).fit(z, y)


def probe(features: NDArray[np.floating], c_rule: CRule) -> Method:
    """The regression on one vector per patient, `features` (n_patients, n_features), as a method."""
    products, n_features = inner_products(features), features.shape[1]

    def predict(codes: IntArray, train: IntArray, test: IntArray, seed: int) -> Prediction:
        c = inverse_strength(c_rule, n_groups=n_groups(codes), n_train=len(train), n_features=n_features)
        return Prediction(fit_and_predict(products, codes, train, test, c))

    return predict


def n_groups(codes: IntArray) -> int:
    """How many groups there are, numbered from 0."""
    return int(codes.max()) + 1


def majority(codes: IntArray, train: IntArray, test: IntArray, seed: int) -> Prediction:
    """The method that always names the largest group of the training patients (the first of equally large ones)."""
    return Prediction(np.full(len(test), np.bincount(codes[train]).argmax()))
