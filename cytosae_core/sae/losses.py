"""The loss of the published trainer: normalised error, sparsity, ghost gradients. Pure functions.

Tokens come as (..., d_in), where the leading dimensions are (n_images, n_tokens) or (n_tokens,). Every error is kept
element by element, (..., d_in), until its mean is taken: ghost gradients are scaled to the error in that form.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cytosae_core.sae.config import ErrorForm
from cytosae_core.sae.model import SaeOutput

EPSILON = 1e-6
"""Keeps the two quotients of ghost gradients finite, as published."""


class Losses(NamedTuple):
    """The terms of the loss of one batch, each a scalar."""

    loss: Tensor
    """mse + l1 + ghost: what is minimised."""
    mse: Tensor
    """Mean of `error_terms`."""
    l1: Tensor
    """Coefficient times `sparsity`."""
    ghost: Tensor
    """Mean of `ghost_terms`; 0 without dead latents."""


def total_loss(
    x: Tensor, output: SaeOutput, W_dec: Tensor, dead: Tensor | None, form: ErrorForm, l1_coefficient: float
) -> Losses:
    """All terms for tokens (..., d_in); `dead` (d_sae,) marks the latents that get ghost gradients, None: none do."""
    errors = error_terms(output.x_hat, x, form)  # (..., d_in)
    mse = errors.mean()
    l1 = l1_coefficient * sparsity(output.z)
    ghost = torch.zeros_like(mse) if dead is None else ghost_terms(x, output, W_dec, dead, errors).mean()
    return Losses(mse + l1 + ghost, mse, l1, ghost)


def error_terms(x_hat: Tensor, x: Tensor, form: ErrorForm) -> Tensor:
    """The reconstruction error, element by element, (..., d_in); its mean over all elements is the term of the loss.

    released: (x_hat - x)^2 / ||x||_2, with one norm per token.
    plain: d_in (x_hat - x)^2, whose mean over the width is the paper's sum over it (`method.loss`).
    """
    squares = (x_hat - x) ** 2  # (..., d_in)
    return squares * x.shape[-1] if form == "plain" else squares / norms(x)


def sparsity(z: Tensor) -> Tensor:
    """Mean over the tokens of sum_s |z_s|; z (..., d_sae) is never negative, so it is its own absolute value."""
    return z.sum(dim=-1).mean()


def ghost_terms(x: Tensor, output: SaeOutput, W_dec: Tensor, dead: Tensor, errors: Tensor) -> Tensor:
    """Error of the dead latents' reconstruction of the residual, scaled element by element to `errors`, (..., d_in).

    e = exp(pre[dead]);  g = e W_dec[dead];  g <- g ||r|| / (2 ||g|| + 1e-6) with the factor held constant;
    ghost = (g - r)^2 / ||r|| with r = x - x_hat held constant;  ghost <- ghost * const(errors / (ghost + 1e-6)).
    """
    residual = (x - output.x_hat).detach()  # (..., d_in)
    ghost = torch.exp(output.pre[..., dead]) @ W_dec[dead]  # (..., d_in)
    scale = norms(residual) / (2 * norms(ghost.detach()) + EPSILON)  # (..., 1)
    terms = (ghost * scale - residual) ** 2 / norms(residual)  # (..., d_in)
    return terms * (errors / (terms + EPSILON)).detach()


def norms(x: Tensor) -> Tensor:
    """Euclidean norm of every token, (..., 1)."""
    lengths: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return lengths
