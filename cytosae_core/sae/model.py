"""The sparse autoencoder in torch: `method.encode`, `method.decode`, four weights. Losses and files are elsewhere."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cytosae_core.errors import ConfigError


class SaeOutput(NamedTuple):
    """What one forward pass gives."""

    x_hat: Tensor
    """Reconstructed tokens, (..., d_in)."""
    z: Tensor
    """Activations of the latents, none negative, (..., d_sae)."""
    pre: Tensor
    """The same before the ReLU, (..., d_sae); ghost gradients need it."""


class SparseAutoencoder(nn.Module):
    """d_sae latents over tokens of width d_in; weights start at zero and are set by `initial` or a checkpoint."""

    def __init__(self, d_in: int, d_sae: int, dtype: torch.dtype = torch.float32) -> None:
        """Make it on the CPU; raises ConfigError where a width is not positive."""
        super().__init__()
        if min(d_in, d_sae) < 1:
            raise ConfigError(f"d_in {d_in}, d_sae {d_sae}: both must be at least 1")
        self.W_enc = nn.Parameter(torch.zeros(d_in, d_sae, dtype=dtype))
        self.b_enc = nn.Parameter(torch.zeros(d_sae, dtype=dtype))
        self.W_dec = nn.Parameter(torch.zeros(d_sae, d_in, dtype=dtype))
        self.b_dec = nn.Parameter(torch.zeros(d_in, dtype=dtype))

    @classmethod
    def of(cls, weights: Mapping[str, Tensor]) -> "SparseAutoencoder":
        """The autoencoder with these weights, as a checkpoint holds them; they are copied."""
        d_in, d_sae = weights["W_enc"].shape
        sae = cls(d_in, d_sae, weights["W_enc"].dtype)
        sae.load_state_dict(dict(weights))
        return sae

    @property
    def d_in(self) -> int:
        """Width of a token."""
        return self.W_enc.shape[0]

    @property
    def d_sae(self) -> int:
        """Number of latents."""
        return self.W_enc.shape[1]

    def pre_activations(self, x: Tensor) -> Tensor:
        """(x - b_dec) W_enc + b_enc of tokens (..., d_in): (..., d_sae)."""
        # One pass over (..., d_sae) where a product and a sum would be two.
        return nn.functional.linear(x - self.b_dec, self.W_enc.T, self.b_enc)  # (..., d_sae)

    def encode(self, x: Tensor) -> Tensor:
        """Activations (..., d_sae) of tokens (..., d_in)."""
        return torch.relu(self.pre_activations(x))  # (..., d_sae)

    def decode(self, z: Tensor) -> Tensor:
        """Tokens (..., d_in) from activations (..., d_sae)."""
        return z @ self.W_dec + self.b_dec  # (..., d_in)

    def forward(self, x: Tensor) -> SaeOutput:
        """Reconstruction, activations and pre-activations of tokens (..., d_in)."""
        pre = self.pre_activations(x)  # (..., d_sae)
        z = torch.relu(pre)  # (..., d_sae)
        return SaeOutput(self.decode(z), z, pre)


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
