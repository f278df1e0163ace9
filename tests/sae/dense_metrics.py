"""Slow, obvious twins of the metrics: everything at once, in float64, token by token. Imports nothing of the core."""

import math

import numpy as np


def activations(tokens, weights):
    """(n_images, n_tokens, d_sae) of tokens (n_images, n_tokens, d_in)."""
    return np.maximum((tokens - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"], 0)


def at_most(values, percent):
    """The least k such that at least `percent` % of the values are at most k."""
    return next(k for k in range(max(values) + 1) if 100 * sum(v <= k for v in values) >= percent * len(values))


def explained(tokens, x_hat, centre):
    """1 - residual / spread around `centre`, summed token by token."""
    pairs = list(zip(tokens.reshape(-1, tokens.shape[-1]), x_hat.reshape(-1, tokens.shape[-1]), strict=True))
    residual = math.fsum(((x - y) ** 2).sum() for x, y in pairs)
    return 1 - residual / math.fsum(((x - centre) ** 2).sum() for x, _ in pairs)


def metrics(tokens, weights):
    """All figures of an evaluation by name, from dense float64 arrays."""
    tokens = np.asarray(tokens, np.float64)
    z = activations(tokens, weights)
    x_hat = z @ weights["W_dec"] + weights["b_dec"]
    flat_z = z.reshape(-1, z.shape[-1])
    l0 = [int((row > 0).sum()) for row in flat_z]
    fired = [sum(row[s] > 0 for row in flat_z) for s in range(flat_z.shape[1])]
    image_activation = z.mean(1)
    means = [[a for a in image_activation[:, s] if a > 0] for s in range(flat_z.shape[1])]
    n_tokens, d_sae = flat_z.shape
    norm = np.sqrt((tokens**2).sum(-1, keepdims=True))
    return {
        "n_images": len(tokens),
        "n_tokens": n_tokens,
        "mse": ((x_hat - tokens) ** 2).mean(),
        "mse_released": ((x_hat - tokens) ** 2 / norm).mean(),
        "l1": np.abs(flat_z).sum(1).mean(),
        "l0": np.mean(l0),
        **{f"l0_p{percent}": at_most(l0, percent) for percent in (5, 25, 50, 75, 95)},
        "explained_variance": explained(tokens, x_hat, tokens.reshape(-1, tokens.shape[-1]).mean(0)),
        "explained_variance_released": explained(tokens, x_hat, 0),
        "dead_share": sum(n == 0 for n in fired) / d_sae,
        "rare_share": sum(0 < n < n_tokens / 10_000 for n in fired) / d_sae,
        "always_on_share": sum(len(active) > len(tokens) / 2 for active in means) / d_sae,
        "n_concepts": sum(bool(active) and math.log10(np.mean(active)) > -3 for active in means),
    }


def pca_explained_variance(training, held_out, n_components):
    """Centred explained variance of the held-out tokens by the first principal components of the training tokens."""
    training, held_out = (np.asarray(part, np.float64).reshape(-1, part.shape[-1]) for part in (training, held_out))
    mean = training.mean(0)
    _, _, directions = np.linalg.svd(training - mean, full_matrices=True)
    kept = directions[:n_components]
    x_hat = mean + (held_out - mean) @ kept.T @ kept
    return explained(held_out, x_hat, held_out.mean(0))
