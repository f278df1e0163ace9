"""Which images a step sees, and how: it follows from seed, stage, step and worker, so a resumed run repeats it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cytosae_core.small_backbone.augment import View, plain_view, random_view
from cytosae_core.small_backbone.corpus import ATTRIBUTES, UNKNOWN, DrawnCells, Images, RealCells
from cytosae_core.small_backbone.recipe import Recipe


class Batch(NamedTuple):
    """Images of one worker in one step: the real ones first, then the drawn ones."""

    pictures: Tensor
    """(n, 3, 224, 224), from 0 to 1."""
    types: Tensor
    """Cell type of the real ones (n); -1 for drawn."""
    attributes: Tensor
    """WBCAtt's attributes (n, 11); -1 where unknown."""
    drawn_types: Tensor
    """Type of the drawn ones (n); -1 for real."""
    masks: Tensor
    """Coverage of the parts of the drawn ones (n_drawn, n_parts, 56, 56), from 0 to 1."""
    view: View
    """How to look at them."""


@dataclass(frozen=True)
class Corpus:
    """All that one worker reads from."""

    real: RealCells
    real_images: Images
    drawn: DrawnCells
    recipe: Recipe

    def training(self, stage: int, step: int, n_images: int, rank: int) -> Batch:
        """The images of worker `rank` in one step: every real image once before any comes again."""
        n_drawn = round(self.recipe.drawn_share * n_images)
        n_real = n_images - n_drawn
        indices = np.flatnonzero(self.real.frame["split"] == "train")
        position = (step * self.recipe.n_workers + rank) * n_real
        chosen = indices[_turns(len(indices), position, n_real, (self.recipe.seed, stage, 0))]
        position = (step * self.recipe.n_workers + rank) * n_drawn
        drawn = _turns(len(self.drawn.images), position, n_drawn, (self.recipe.seed, stage, 1))
        generator = torch.Generator().manual_seed(_seed(self.recipe.seed, stage, step, rank))
        return self._batch(chosen, drawn, random_view(n_images, generator))

    def held_out(self, rank: int, n_images: int) -> Batch:
        """The share of worker `rank` of `n_images` held-out images, as they are."""
        indices = np.flatnonzero(self.real.frame["split"] == "held_out")
        order = np.random.default_rng(self.recipe.seed).permutation(indices)[:n_images]
        chosen = order[rank :: self.recipe.n_workers]
        return self._batch(chosen, np.arange(0), plain_view(len(chosen)))

    def _batch(self, real: npt.NDArray[np.int_], drawn: npt.NDArray[np.int_], view: View) -> Batch:
        rows = self.real.frame.iloc[real]
        pictures = np.concatenate((self.real_images[real], self.drawn.images[drawn]))
        no_real, no_drawn = np.full(len(real), UNKNOWN), np.full(len(drawn), UNKNOWN)
        attributes = np.concatenate((rows[list(ATTRIBUTES)].to_numpy(), np.repeat(no_drawn[:, None], 11, 1)))
        return Batch(
            torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255,
            torch.from_numpy(np.concatenate((rows["cell_type"].to_numpy(), no_drawn))),
            torch.from_numpy(attributes),
            torch.from_numpy(np.concatenate((no_real, self.drawn.cell_type[drawn]))),
            torch.from_numpy(self.drawn.masks[drawn]).float() / 255,
            view,
        )


def _turns(n_all: int, position: int, n: int, seed: tuple[int, ...]) -> npt.NDArray[np.int_]:
    """Places `position` to `position + n` of an endless row of permutations of `n_all`."""
    places = np.arange(position, position + n)
    passes = {int(number): np.random.default_rng((*seed, int(number))).permutation(n_all) for number in places // n_all}
    return np.array([passes[int(place // n_all)][place % n_all] for place in places], dtype=int)


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
