"""Which latents can be active in an image at all, by a product of 8-bit numbers: five times as fast as one of floats.

With y = x / d and v = d w (d a width for each dimension, which changes no product), and 8-bit multiples y', v':

    |y v - y' v'| <= |y - y'| |v| + |y'| |v - v'|        (Cauchy-Schwarz)

A latent whose bound stays below 0 at every token of the image is not active there, whatever the rounding: nothing is
lost. All others, some 5 to 15 % in an SAE that was trained, are computed in floats.

Training leaves a dead latent where it stopped firing, just below 0, so bounds must be tight. Tokens of an image differ
in length by a factor of three or more: those of like length share a width and a bound.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LATENTS_AT_ONCE = 4096
_COPIED_AT_ONCE = 512
_TOKEN_GROUPS = 16
_LEVELS = 127
_SLACK = 2e-4
"""Share of |x| |w| that float32 sums over a few thousand dimensions can be wrong by, with room to spare."""


def is_fast_here() -> bool:
    """Whether this processor multiplies 8-bit numbers faster than floats, and torch knows how."""
    return hasattr(torch, "_int_mm") and bool(torch.cpu._is_vnni_supported())


class Int8Screen:
    """The 8-bit copy of an encoder: a quarter of its memory."""

    def __init__(self, rows: Tensor, bias: Tensor, decoder: Tensor) -> None:
        """Take W_enc transposed (d_sae, d_in), b_enc, and W_dec (d_sae, d_in), which tells the spread of tokens."""
        spread = torch.linalg.vector_norm(decoder, dim=0) / len(decoder) ** 0.5  # no copy of the decoder
        self._spread = torch.where(spread > 0, spread / spread.max().clamp_min(1e-30), 1.0).clamp_min(1e-3)  # (d_in,)
        self._values = torch.empty(rows.shape, dtype=torch.int8)
        self._step, self._norm, self._error = (torch.empty(len(rows)) for _ in range(3))
        self._bias = bias + bias.abs() * 1e-6
        for start in range(0, len(rows), _COPIED_AT_ONCE):  # never a second copy of the encoder in floats
            part = slice(start, start + _COPIED_AT_ONCE)
            scaled = rows[part] * self._spread
            step = (scaled.abs().amax(dim=1) / _LEVELS).clamp_min(1e-30)
            self._values[part] = (scaled / step[:, None]).round_()
            self._step[part], self._norm[part] = step, scaled.norm(dim=1)
            self._error[part] = (scaled - self._values[part] * step[:, None]).norm(dim=1)

    def candidates(self, x: Tensor) -> Tensor:
        """Latents, ascending, that may be active at one of the centred tokens (n_tokens, d_in) of an image."""
        groups = _grouped(x / self._spread)
        possible: Tensor = torch.empty(len(self._values), dtype=torch.bool)
        for start in range(0, len(possible), LATENTS_AT_ONCE):
            part = slice(start, start + LATENTS_AT_ONCE)
            products = torch.split(torch._int_mm(groups.values, self._values[part].T), groups.sizes)
            top = torch.stack([of_group.amax(dim=0) for of_group in products])  # (n_groups, n_latents)
            reach = torch.outer(groups.step, self._step[part]).mul_(top)
            reach.add_(torch.outer(1.001 * groups.error + _SLACK * groups.norm, self._norm[part]))
            reach.add_(torch.outer(1.001 * groups.norm, self._error[part])).add_(self._bias[part])
            possible[part] = (reach > 0).any(dim=0)
        return possible.nonzero()[:, 0]


class _TokenGroups(NamedTuple):
    """Tokens in groups of like length, each as 8-bit multiples of its own step."""

    values: Tensor
    """(n_tokens, d_in) int8, the longest tokens first."""
    sizes: list[int]
    """Tokens of each group."""
    step: Tensor
    """(n_groups,)."""
    error: Tensor
    """(n_groups,) length of the largest rounding error."""
    norm: Tensor
    """(n_groups,) length of the longest rounded token."""


def _grouped(y: Tensor) -> _TokenGroups:
    length = torch.linalg.vector_norm(y, dim=1)
    level = (length / length.max().clamp_min(1e-30)).clamp_min(1e-3).log()  # 0 for the longest token
    group_of = (level / level.min().clamp_max(-1e-6) * (_TOKEN_GROUPS - 1)).round_().long()
    sizes = [n for n in group_of.bincount().tolist() if n]
    groups = torch.split(y[group_of.argsort()], sizes)
    steps = [(group.abs().max() / _LEVELS).clamp_min(1e-30) for group in groups]
    rounded = [(group / step).round_() for group, step in zip(groups, steps, strict=True)]
    back = [values * step for values, step in zip(rounded, steps, strict=True)]
    errors = [(group - again).norm(dim=1).max() for group, again in zip(groups, back, strict=True)]
    norms = [again.norm(dim=1).max() for again in back]
    return _TokenGroups(
        torch.cat(rounded).to(torch.int8), sizes, torch.stack(steps), torch.stack(errors), torch.stack(norms)
    )
