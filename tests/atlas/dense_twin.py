"""The statistics of an atlas, slowly, from all tokens by all latents: the method, and loops for what the atlas itself
asks of it (`method.label_entropy`) or adds to it."""

import math
from collections import defaultdict

import numpy as np

from cytosae_core import method


def dense_activations(tokens, weights):
    """h, (n_images, n_tokens, d_sae), in float64."""
    return method.encode(tokens, weights["W_enc"], weights["b_enc"], weights["b_dec"])


def dense_image_numbers(z, *, activation="mean", cls_in_mean=True, cls_in_counts=False, tau=0.2):
    """A and a, (n_images, d_sae) each."""
    counts = method.image_barcode(z[:, (0 if cls_in_counts else 1) :], tau)
    means = method.image_activation(z[:, (0 if cls_in_mean else 1) :])
    return (counts.astype(np.float64) if activation == "count" else means), counts


def dense_statistics(numbers):
    """latent -> (n_active, sum of activations)."""
    return [(int((column > 0).sum()), float(column.sum())) for column in numbers.T]


def dense_references(numbers, image_ids, k=10):
    """latent -> [(image_id, activation), ...], strongest first, then by id; only images that activate it."""
    ids, by_id = np.array(image_ids, dtype=object), np.argsort(image_ids)
    # What the atlas stores is float32: equal there is equal.
    top = method.reference_images(numbers[by_id].astype(np.float32), k)
    return [
        list(zip(ids[by_id[rows]], column[by_id[rows]].tolist(), strict=True))
        for rows, column in zip(top, numbers.T, strict=True)
    ]


def dense_entropy(references, label_of):
    """Nats by latent; None without references."""
    entropies = []
    for rows in references:
        by_label = defaultdict(float)
        for name, value in rows:
            by_label[label_of[name]] += value
        whole = sum(by_label.values())
        entropies.append(-sum(v / whole * math.log(v / whole) for v in by_label.values()) if rows else None)
    return entropies


def dense_barcodes(counts, patients):
    """patient -> (n_images, counts by latent)."""
    rows = defaultdict(list)
    for index, patient in enumerate(patients):
        if patient is not None:
            rows[patient].append(index)
    return {patient: (len(index), counts[index].sum(axis=0)) for patient, index in rows.items()}


def dense_strongest(z, keep, n):
    """Latents (-1: none) and activations (n_tokens, n) of z (n_tokens, d_sae): strongest first, then by latent."""
    latents, values = np.full((len(z), n), -1), np.zeros((len(z), n))
    for token, row in enumerate(z):
        active = sorted((latent for latent in np.flatnonzero(keep) if row[latent] > 0), key=lambda s: (-row[s], s))[:n]
        latents[token, : len(active)], values[token, : len(active)] = active, row[active]
    return latents, values


def exact_weights(rng, d_in, d_sae):
    """Weights on a coarse grid: float32 and float64 agree to the last bit, and equal activations are frequent."""
    grid = {
        "W_enc": rng.integers(-2, 3, (d_in, d_sae)) / 4,
        "b_enc": rng.integers(-4, 1, d_sae) / 4,
        "W_dec": rng.integers(-2, 3, (d_sae, d_in)) / 4,
        "b_dec": rng.integers(-2, 3, d_in) / 8,
    }
    return {name: values.astype(np.float32) for name, values in grid.items()}


def exact_tokens(rng, n_images, n_tokens, d_in):
    """Tokens on a coarse grid."""
    return (rng.integers(-3, 4, (n_images, n_tokens, d_in)) / 4).astype(np.float16)
