"""Which images a step sees, and how: it follows from seed, phase, step and worker, so a resumed run repeats it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cytosae_core.small_backbone.augment import View, plain_view, random_view
from cytosae_core.small_backbone.config import SmallBackboneConfig
from cytosae_core.small_backbone.corpus import ATTRIBUTES, UNKNOWN, Images, RealCells, RenderedCells


class Batch(NamedTuple):
    """Images of one worker in one step: the real ones first, then the rendered ones."""

    pictures: Tensor
    """(n, 3, 224, 224), from 0 to 1."""
    types: Tensor
    """Cell type of the real ones (n); -1 for rendered."""
    attributes: Tensor
    """WBCAtt's attributes (n, 11); -1 where unknown."""
    rendered_types: Tensor
    """Type of the rendered ones (n); -1 for real."""
    masks: Tensor
    """Coverage of the parts of the rendered ones (n_rendered, n_parts, 56, 56), from 0 to 1."""
    view: View
    """How to look at them."""


@dataclass(frozen=True)
class Corpus:
    """All that one worker reads from."""

    real: RealCells
    real_images: Images
    rendered: RenderedCells
    config: SmallBackboneConfig

    def training(self, phase: int, step: int, n_images: int, rank: int) -> Batch:
        """The images of worker `rank` in one step: every real image once before any comes again."""
        n_rendered = round(self.config.rendered_share * n_images)
        n_real = n_images - n_rendered
        indices = np.flatnonzero(self.real.frame["split"] == "train")
        position = (step * self.config.n_workers + rank) * n_real
        chosen = indices[_turns(len(indices), position, n_real, (self.config.seed, phase, 0))]
        position = (step * self.config.n_workers + rank) * n_rendered
        rendered = _turns(len(self.rendered.images), position, n_rendered, (self.config.seed, phase, 1))
        seed = np.random.SeedSequence((self.config.seed, phase, step, rank)).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(seed))
        return self._batch(chosen, rendered, random_view(n_images, generator))

    def held_out(self, rank: int, n_images: int) -> Batch:
        """The share of worker `rank` of `n_images` held-out images, as they are."""
        indices = np.flatnonzero(self.real.frame["split"] == "held_out")
        order = np.random.default_rng(self.config.seed).permutation(indices)[:n_images]
        chosen = order[rank :: self.config.n_workers]
        return self._batch(chosen, np.arange(0), plain_view(len(chosen)))

    def _batch(self, real: npt.NDArray[np.int_], rendered: npt.NDArray[np.int_], view: View) -> Batch:
        rows = self.real.frame.iloc[real]
        pictures = np.concatenate((self.real_images[real], self.rendered.images[rendered]))
        no_real, no_rendered = np.full(len(real), UNKNOWN), np.full(len(rendered), UNKNOWN)
        attributes = np.concatenate((rows[list(ATTRIBUTES)].to_numpy(), np.repeat(no_rendered[:, None], 11, 1)))
        return Batch(
            torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255,
            torch.from_numpy(np.concatenate((rows["cell_type"].to_numpy(), no_rendered))),
            torch.from_numpy(attributes),
            torch.from_numpy(np.concatenate((no_real, self.rendered.cell_type[rendered]))),
            torch.from_numpy(self.rendered.masks[rendered]).float() / 255,
            view,
        )


def _turns(n_all: int, position: int, n: int, seed: tuple[int, ...]) -> npt.NDArray[np.int_]:
    """Numbers `position` to `position + n` of an endless row of permutations of `n_all`."""
    turns = np.arange(position, position + n)
    passes = {int(turn): np.random.default_rng((*seed, int(turn))).permutation(n_all) for turn in turns // n_all}
    return np.array([passes[int(turn // n_all)][turn % n_all] for turn in turns], dtype=int)
