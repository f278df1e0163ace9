"""Tokens of images to sparse activations, without ever holding all tokens by all latents.

`method.encode`, one image and a few thousand latents at a time: the products stay in the cache, and their shapes, and
with them the last bits of every number, do not depend on how many images come at once.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cytosae_core.atlas.build.activations import ImageActivations
from cytosae_core.atlas.build.screen import Int8Screen, is_fast_here
from cytosae_core.atlas.definitions import Definitions
from cytosae_core.errors import ArtifactError, ConfigError
from cytosae_core.geometry import CLS
from cytosae_core.sae.checkpoint import Weights

LATENTS_AT_ONCE = 1024
"""Latents of a product on a CPU: 257 tokens by 1,024 latents are 1 MB."""
LATENTS_AT_ONCE_ON_GPU = 65_536
_LANES = 64
"""Products are this many latents wide, or a multiple: at the edge of one, sums may be rounded in another order."""
_LAST_LATENT = 2**31 - 1
SCREENED_ABOVE = 4 * LATENTS_AT_ONCE
"""Latents below which looking in 8 bits first does not pay."""

Tokens = npt.NDArray[np.floating]


class SparseEncoder:
    """The encoder of one SAE on one device, with the definitions of an atlas."""

    def __init__(
        self, weights: Weights, definitions: Definitions, device: str = "cpu", *,
        latents_at_once: int | None = None, screened: bool | None = None,
    ) -> None:  # fmt: skip
        """Take W_enc (d_in, d_sae), b_enc, W_dec, b_dec.

        The encoder is kept one latent per row: a copy, unless it lies so already (`Checkpoint.latents_first`).

        `screened`: look for latents that may be active in 8 bits first (None: where that is faster). It changes no bit
        of any result.
        """
        self.definitions = definitions
        self.device = torch.device(device)
        self.d_in, self.d_sae = weights["W_enc"].shape
        on_cpu = self.device.type == "cpu"
        step = latents_at_once or min(LATENTS_AT_ONCE if on_cpu else LATENTS_AT_ONCE_ON_GPU, self.d_sae)
        self._step = -(-step // _LANES) * _LANES
        self._rows = weights["W_enc"].detach().float().to(self.device).T.contiguous()  # (d_sae, d_in)
        self._bias = weights["b_enc"].detach().float().to(self.device)
        self._b_dec = weights["b_dec"].detach().float().to(self.device)
        self._all = torch.arange(self.d_sae, device=self.device)
        if screened is None:
            screened = on_cpu and self.d_sae > SCREENED_ABOVE and is_fast_here()
        self._screen = Int8Screen(self._rows, self._bias, weights["W_dec"].detach().float()) if screened else None
        self._buffers: dict[int, Tensor] = {}

    @torch.inference_mode()
    def images(self, tokens: Tokens) -> ImageActivations:
        """Activations and counts of images (n_images, n_tokens, d_in); ConfigError for tokens of another width."""
        activation = torch.zeros(len(tokens), self.d_sae, device=self.device)
        count = torch.zeros(len(tokens), self.d_sae, device=self.device)
        for index in range(len(tokens)):
            for latents, z in self._blocks(self._centred(tokens[index])):
                mean, above = self._reduced(z)
                activation[index, latents], count[index, latents] = mean[: len(latents)], above[: len(latents)]
        return _sparse(count if self.definitions.activation == "count" else activation, count)

    @torch.inference_mode()
    def latents(self, tokens: Tokens, latents: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Activations (n_tokens, n) of a few latents at the tokens (n_tokens, d_in) of one image."""
        chosen = torch.from_numpy(latents.astype(np.int64)).to(self.device)
        found = [z[:, : len(block)].clone() for block, z in self._blocks(self._centred(tokens), chosen)]
        return torch.cat(found, dim=1).cpu().numpy()

    @torch.inference_mode()
    def strongest_latents(
        self, tokens: Tokens, keep: npt.NDArray[np.bool_], n: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The `n` strongest of the latents in `keep` (d_sae,) at each token (n_tokens, d_in) of one image.

        Returns latents and activations (n_tokens, n), strongest first, of equals the smaller latent; latent -1,
        activation 0, where fewer are active.
        """
        x = self._centred(tokens)
        candidates = self._candidates(x)
        kept = candidates[torch.from_numpy(keep).to(self.device)[candidates]]
        best = torch.zeros(len(x), n, dtype=torch.int64, device=self.device)
        for block, z in self._blocks(x, kept):
            best = torch.cat([best, _ranked(z[:, : len(block)], block)], dim=1).topk(n, dim=1).values
        values = (best >> 32).int().view(torch.float32)
        latents = (_LAST_LATENT - (best & _LAST_LATENT)).masked_fill_(values <= 0, -1)
        return latents.cpu().numpy(), values.cpu().numpy()

    @torch.inference_mode()
    def l0(self, tokens: Tokens) -> float:
        """Mean number of active latents per token, of the tokens (n_tokens, d_in) of one image."""
        blocks = self._blocks(self._centred(tokens))
        return sum(int(torch.count_nonzero(z[:, : len(block)])) for block, z in blocks) / len(tokens)

    @torch.inference_mode()
    def n_candidates(self, tokens: Tokens) -> int:
        """Latents that are computed in floats for the tokens (n_tokens, d_in) of one image."""
        return len(self._candidates(self._centred(tokens)))

    def _centred(self, tokens: Tokens) -> Tensor:
        if tokens.ndim != 2 or tokens.shape[1] != self.d_in:
            raise ConfigError(
                f"tokens of shape {tokens.shape} do not fit an SAE for tokens of width {self.d_in}; take the tokens of "
                "the backbone and block that it was trained on"
            )
        writable = np.require(tokens, requirements=["C", "W"])
        x = torch.from_numpy(writable).to(self.device).float() - self._b_dec
        if not bool(torch.isfinite(x).all()):  # it would be active nowhere, and no number would tell
            raise ArtifactError("an image has tokens that are no finite numbers; extract its tokens again")
        return x

    def _candidates(self, x: Tensor) -> Tensor:
        return self._all if self._screen is None else self._screen.candidates(x)

    def _blocks(self, x: Tensor, latents: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Latents (n,) and their activations (n_tokens, at least n), some at a time, in a buffer that is used again.

        All have the same width, so that every product and sum has the same bits whichever latents are beside it; what
        goes beyond n means nothing.
        """
        chosen = self._candidates(x) if latents is None else latents
        if len(x) not in self._buffers:
            self._buffers[len(x)] = torch.empty(len(x), self._step, device=self.device)
        for block in torch.split(chosen, self._step):
            padded = torch.nn.functional.pad(block, (0, self._step - len(block)))
            rows, bias = self._rows_of(padded, is_run=chosen is self._all and len(block) == self._step)
            z = torch.addmm(bias, x, rows.T, out=self._buffers[len(x)])
            yield block, z.relu_()

    def _rows_of(self, latents: Tensor, *, is_run: bool) -> tuple[Tensor, Tensor]:
        if is_run:  # a view: nothing is copied
            part = slice(int(latents[0]), int(latents[0]) + len(latents))
            return self._rows[part], self._bias[part]
        return self._rows[latents], self._bias[latents]

    def _reduced(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and count over the chosen tokens of one image; `z` is spoilt, which saves a second buffer."""
        in_mean = z if self.definitions.cls_in_mean else z[CLS + 1 :]
        activation = in_mean.sum(dim=0).div_(len(in_mean))
        counted = z if self.definitions.cls_in_counts else z[CLS + 1 :]
        return activation, counted.gt_(self.definitions.tau).sum(dim=0)


def _ranked(z: Tensor, latents: Tensor) -> Tensor:
    """Keys (n_tokens, n) that sort as activations `z`, none negative, do, and among equals as `latents` (n,) fall.

    The bits of floats that are not negative sort as they do. With no key twice, what is on top is a matter of nothing
    else: `topk` alone may take any of several equals.
    """
    return (z.view(torch.int32).long() << 32) | (_LAST_LATENT - latents)


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
