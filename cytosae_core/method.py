"""The CytoSAE paper (Dasdelen et al., MICCAI 2025) in one file: its four equations and its constants, on plain arrays.

Everything here is slow and obvious. What must be fast elsewhere (streams of tokens, sparse counts, 8-bit products) is
tested against it, and what need not be fast calls it. Equations are numbered in the order of the paper.

    h_ij[s]  activation of latent s at token j of image i; arrays h have the shape (..., n_tokens, n_latents)

Which tokens of an image count is for the caller to say: all 257, CLS included, or `h[..., geometry.PATCHES, :]`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]
Floats = NDArray[np.float64]

LOG10_THRESHOLD = -3.0
"""Latents with a log10 mean activation above this are the "high-activation" ones, the concepts that are looked at."""
TAU = 0.2
"""A token activates a latent when the activation is above this; the value of the released run."""
N_REFERENCES = 10
"""Reference images of a latent in a data set, at most."""
N_CLUSTERS = 10
"""Clusters of the high-activation latents, by k-means, from which the experts' latents are sampled."""
N_PER_CLUSTER = 5
"""Latents sampled from each cluster."""
N_DIFFERENTIAL = 50
"""Latents of each side that differ most between two diseases: the largest and the smallest `a_d1 - a_d2`."""
GROUPS = ("CBFB::MYH11", "PML::RARA")
"""The two diseases that the paper compares."""
TRAINING_DATASET = "mll23"
"""The data set that the autoencoder was trained on; noise is judged there, and so is the threshold of the sweep."""
NOISE_LIMIT = 0.1
"""A latent with a mean activation above this on the training data set is noise, which explains no patch (released)."""


def encode(x: Array, W_enc: Array, b_enc: Array, b_dec: Array) -> Floats:
    """Eq. 1: z = ReLU((x - b_dec) W_enc + b_enc) of tokens x (..., d_in), and x_hat = `decode` of z; (..., d_sae)."""
    return np.maximum((np.asarray(x, np.float64) - b_dec) @ W_enc + b_enc, 0)


def decode(z: Array, W_dec: Array, b_dec: Array) -> Floats:
    """x_hat = z W_dec + b_dec, the tokens (..., d_in) that activations z (..., d_sae) stand for."""
    return np.asarray(np.asarray(z, np.float64) @ W_dec + b_dec)


def loss(x: Floats, x_hat: Floats, z: Floats, l1_coefficient: float, *, released: bool = False) -> float:
    """Eq. 2: the mean over tokens of ||x - x_hat||^2 + lambda ||z||_1, with lambda the `l1_coefficient`.

    `released`: as in the authors' code, for which the published lambda was chosen, ||x - x_hat||^2 / (d_in ||x||) for
    the first term. Ghost gradients come on top of either (`sae.losses`).
    """
    squares = ((x_hat - x) ** 2).sum(axis=-1)
    error = squares / (x.shape[-1] * np.linalg.norm(x, axis=-1)) if released else squares
    return float(np.mean(error + l1_coefficient * np.abs(z).sum(axis=-1)))


def image_barcode(h: Array, tau: float = TAU) -> NDArray[np.int64]:
    """Eq. 3: a_ij[s] = 1 if h_ij[s] > tau else 0, summed over the tokens: a_i = sum_j a_ij, counts (..., n_latents).

    Its mean over the images of a patient is the patient's barcode: `patient_barcode`.
    """
    return np.asarray((h > tau).sum(axis=-2, dtype=np.int64))


def patient_barcode(counts: NDArray[np.number], n_images: ArrayLike) -> Floats:
    """a_p = (1 / N_p) sum_i a_i (n_patients, n_latents), from the sums over images and the numbers of images N_p.

    Activating tokens per image, so that a patient with every image twice has the same barcode.
    """
    return np.asarray(counts / np.asarray(n_images, np.float64)[..., None], np.float64)


def disease_barcode(patients: Floats) -> Floats:
    """Eq. 4: a_d = (1 / N_d) sum_p a_p, the mean (n_latents,) of the barcodes (N_d, n_latents) of its N_d patients.

    However many images a patient has, it counts as one.
    """
    return np.asarray(patients.mean(axis=0), np.float64)


def image_activation(h: Array) -> Array:
    """A_i[s] = mean_j h_ij[s], (..., n_latents): the released code's, over all tokens."""
    return np.asarray(h.mean(axis=-2))


def activated_frequency(n_active: ArrayLike, n_images: ArrayLike) -> Floats:
    """f[s], the share of images with A_i[s] > 0, from their number and that of all images; 0 without images."""
    return np.asarray(np.asarray(n_active) / np.maximum(n_images, 1), np.float64)


def mean_activation(total: ArrayLike, n_active: ArrayLike) -> Floats:
    """m[s] = sum_i A_i[s] / (number of images with A_i[s] > 0); NaN, missing, for a latent that never fires."""
    n = np.asarray(n_active)
    return np.where(n > 0, np.asarray(total, np.float64) / np.maximum(n, 1), np.nan)


def high_activation(m: Array, log10_threshold: float = LOG10_THRESHOLD) -> NDArray[np.bool_]:
    """Whether log10 m[s] is above the threshold, in the shape of m; a latent that never fires is not."""
    return np.asarray(np.asarray(m, np.float64) > 10.0**log10_threshold)


def of_interest(means: Array, *, all_latents: bool = False) -> NDArray[np.bool_]:
    """(n_latents,) latents that are high on any data set, or simply all of them; means m (n_datasets, n_latents)."""
    return np.asarray(high_activation(means).any(axis=0) | all_latents)


def reference_images(activations: Array, k: int = N_REFERENCES) -> list[NDArray[np.int64]]:
    """For each latent the `k` images with the largest A_i[s] of `activations` (n_images, n_latents), largest first.

    Of equals the first; fewer where fewer activate it, and never padded.
    """
    return [np.argsort(-column, kind="stable")[: min(k, int((column > 0).sum()))] for column in activations.T]


def label_entropy(latents: NDArray[np.integer], labels: NDArray[np.integer], values: Array, n_latents: int) -> Floats:
    """H[s] = -sum p ln p in nats (n_latents,), p the share of summed activation by label; NaN without references.

    One entry per reference image: its latent, its label (below 0: not known, left out) and its activation A_i[s].
    """
    known = labels >= 0
    total = np.zeros((n_latents, int(labels[known].max(initial=0)) + 1))
    np.add.at(total, (latents[known], labels[known]), values[known].astype(np.float64))
    whole = total.sum(axis=1, keepdims=True)
    share = total / np.where(whole > 0, whole, 1)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1) + 0.0  # + 0.0: no negative zero
    return np.where(whole[:, 0] > 0, entropy, np.nan)
