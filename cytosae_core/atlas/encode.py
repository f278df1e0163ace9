"""Tokens of images to sparse activations, without ever holding all tokens by all latents.

z = ReLU((x - b_dec) W_enc + b_enc), one image and a few thousand latents at a time: the products stay in the cache, and
their shapes, and with them the last bits of every number, do not depend on how many images come at once.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cytosae_core.atlas.activations import ImageActivations
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.errors import ConfigError
from cytosae_core.geometry import CLS
from cytosae_core.sae.checkpoint import Weights

LATENTS_AT_ONCE = 4096
"""Latents of a product on a CPU: 257 tokens by 4,096 latents are 4 MB."""
LATENTS_AT_ONCE_ON_GPU = 65_536

Tokens = npt.NDArray[np.floating]


class SparseEncoder:
    """The encoder of one SAE on one device, with the definitions of an atlas."""

    def __init__(
        self, weights: Weights, definitions: Definitions, device: str = "cpu", latents_at_once: int | None = None
    ) -> None:
        """Take W_enc (d_in, d_sae), b_enc, b_dec; the encoder is copied once, in slices that are contiguous."""
        self.definitions = definitions
        self.device = torch.device(device)
        self.d_in, self.d_sae = weights["W_enc"].shape
        step = latents_at_once or (LATENTS_AT_ONCE if self.device.type == "cpu" else LATENTS_AT_ONCE_ON_GPU)
        on_device = {name: weights[name].detach().float().to(self.device) for name in ("W_enc", "b_enc", "b_dec")}
        self._starts = range(0, self.d_sae, step)
        self._slices = [on_device["W_enc"][:, start : start + step].contiguous() for start in self._starts]
        self._biases = torch.split(on_device["b_enc"], step)
        self._b_dec = on_device["b_dec"]
        self._buffers: dict[tuple[int, int], Tensor] = {}

    @torch.inference_mode()
    def images(self, tokens: Tokens) -> ImageActivations:
        """Activations and counts of images (n_images, n_tokens, d_in); ConfigError for tokens of another width."""
        n_images = len(tokens)
        activation = torch.zeros(n_images, self.d_sae, device=self.device)
        count = torch.zeros(n_images, self.d_sae, device=self.device)
        for index in range(n_images):
            for start, z in self._chunks(self._centred(tokens[index])):
                columns = slice(start, start + z.shape[1])
                self._reduce(z, activation[index, columns], count[index, columns])
        return _sparse(count if self.definitions.activation == "count" else activation, count)

    @torch.inference_mode()
    def latents(self, tokens: Tokens, latents: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Activations (n_tokens, n) of a few latents at the tokens (n_tokens, d_in) of one image."""
        x = self._centred(tokens)
        step = self._slices[0].shape[1]
        columns = [self._slices[latent // step][:, latent % step] for latent in latents.tolist()]
        biases = torch.stack([self._biases[latent // step][latent % step] for latent in latents.tolist()])
        return torch.relu(torch.addmm(biases, x, torch.stack(columns, dim=1))).cpu().numpy()

    @torch.inference_mode()
    def strongest_latents(
        self, tokens: Tokens, keep: npt.NDArray[np.bool_], n: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The `n` strongest of the latents in `keep` (d_sae,) at each token (n_tokens, d_in) of one image.

        Returns latents and activations (n_tokens, n), strongest first; latent -1, activation 0, where fewer are active.
        """
        dropped = torch.from_numpy(~keep).to(self.device)
        found = []
        for start, z in self._chunks(self._centred(tokens)):
            z.masked_fill_(dropped[start : start + z.shape[1]], 0)
            values, places = z.topk(min(n, z.shape[1]), dim=1)
            found.append((values, places + start))
        values = torch.cat([values for values, _ in found], dim=1)
        latents = torch.cat([latents for _, latents in found], dim=1)
        best, places = values.topk(min(n, values.shape[1]), dim=1)
        chosen = latents.gather(1, places).masked_fill_(best <= 0, -1)
        missing = (0, n - best.shape[1])
        pad = torch.nn.functional.pad
        return pad(chosen, missing, value=-1).cpu().numpy(), pad(best, missing).cpu().numpy()

    def _centred(self, tokens: Tokens) -> Tensor:
        if tokens.ndim != 2 or tokens.shape[1] != self.d_in:
            raise ConfigError(
                f"tokens of shape {tokens.shape} do not fit an SAE for tokens of width {self.d_in}; take the tokens of "
                "the backbone and block that it was trained on"
            )
        return torch.from_numpy(np.require(tokens, requirements=["C", "W"])).to(self.device).float() - self._b_dec

    def _chunks(self, x: Tensor) -> Iterator[tuple[int, Tensor]]:
        """First latent and activations (n_tokens, n) of one slice after the other, in a buffer that is used again."""
        for start, slice_, bias in zip(self._starts, self._slices, self._biases, strict=True):
            shape = (len(x), slice_.shape[1])
            if shape not in self._buffers:
                self._buffers[shape] = torch.empty(shape, device=self.device)
            z = torch.addmm(bias, x, slice_, out=self._buffers[shape])
            yield start, z.relu_()

    def _reduce(self, z: Tensor, activation: Tensor, count: Tensor) -> None:
        """Mean and count over the chosen tokens of one image; `z` is spoilt, which saves a second buffer."""
        in_mean = z if self.definitions.cls_in_mean else z[CLS + 1 :]
        torch.sum(in_mean, dim=0, out=activation)
        activation.div_(len(in_mean))
        counted = z if self.definitions.cls_in_counts else z[CLS + 1 :]
        torch.sum(counted.gt_(self.definitions.tau), dim=0, out=count)


def _sparse(activation: Tensor, count: Tensor) -> ImageActivations:
    entries = ((activation > 0) | (count > 0)).nonzero()
    image, latent = entries.unbind(dim=1)
    return ImageActivations(
        len(activation),
        image.cpu().numpy(),
        latent.cpu().numpy(),
        activation[image, latent].cpu().numpy(),
        count[image, latent].long().cpu().numpy(),
    )
