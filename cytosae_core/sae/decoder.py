"""Decoder rows of unit length: brought there before every step, and moved only across, never along, themselves."""

import torch
from torch import Tensor


@torch.no_grad()
def renormalise_rows(W_dec: Tensor) -> None:
    """Divide every row of W_dec (d_sae, d_in) by its norm, in place."""
    W_dec /= torch.linalg.vector_norm(W_dec, dim=1, keepdim=True)


@torch.no_grad()
def project_gradient(W_dec: Tensor) -> None:
    """Remove from W_dec.grad (d_sae, d_in) its component along each row, in place; the rows have unit length."""
    gradient = W_dec.grad
    if gradient is not None:
        along = (gradient * W_dec).sum(dim=1, keepdim=True)  # (d_sae, 1)
        gradient.addcmul_(along, W_dec, value=-1)
