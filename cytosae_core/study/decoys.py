"""Decoys: pictures of many latents, shown as if one latent had them all.

Nothing but the cells may tell a decoy, so each is made after a *pattern*: a latent that was not sampled, about as
active as a main item's. The decoy has the pattern's frames, empty ones included; in each of them is the picture of
another latent, at the same rank or the nearest, whose map and file are as near to the pattern's own as can be.
(Pictures of latents taken blindly differ in the extent and place of their maps and in the sizes of their files more
than those of one latent do.) The pattern is no item of the study: two items with the same frames would tell each other.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import StudyError
from cytosae_core.study.items import pictures_of
from cytosae_core.study.protocol import Item, Picture
from cytosae_core.study.traits import PictureTraits, distances

RULE = "each picture of another latent, matched in map, file and rank to those of one latent that was not sampled"
"""For the record of a study."""
N_PATTERNS = 10
"""Latents nearest to a main item's in activity, of which one becomes a decoy's pattern."""
DONORS_PER_FRAME = 4
"""Latents among which the pictures of a decoy are chosen, for each of its frames."""
RANK_WEIGHT = 0.5
"""Distance of one rank, in standard deviations of a trait."""
_IMPOSSIBLE = 1e9

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Unsampled:
    """Latents of interest that no main item shows."""

    activity: pd.DataFrame
    """mean_activation and frequency of all latents of interest, sampled ones included, indexed by latent."""
    donors: Sequence[int]
    """Those that were not sampled."""
    patterns: Sequence[int]
    """Of these, the ones with enough pictures on disk to have been sampled."""


def decoy_items(
    atlas: LatentAtlas,
    mains: Sequence[Item],
    unsampled: Unsampled,
    datasets: Sequence[str],
    n: int,
    ids: Iterator[str],
    seed: int,
) -> list[Item]:
    """`n` items in the blocks of as many main ones, each picture of an item from another latent.

    The rank of a picture is that of its frame. Raises StudyError when there are too few main items, patterns or donors.
    """
    if n > len(mains):
        raise StudyError(f"{n} decoys beside {len(mains)} items are too many; ask for at most {len(mains)}")
    if n > len(unsampled.patterns):
        raise StudyError(
            f"{n} decoys are made after as many latents that were not sampled and have enough pictures, but there are "
            f"{len(unsampled.patterns)}; ask for fewer decoys, or sample fewer latents"
        )
    rng = np.random.default_rng(seed)
    workshop = _Workshop(atlas, unsampled, datasets)
    return [
        Item(next(ids), main.task_id, "decoy", main.block, workshop.decoy_beside(main, rng))
        for main in (mains[index] for index in sorted(rng.permutation(len(mains))[:n]))
    ]


class _Workshop:
    """What the decoys of one study are made with; each pattern is taken once."""

    def __init__(self, atlas: LatentAtlas, unsampled: Unsampled, datasets: Sequence[str]) -> None:
        self._atlas = atlas
        self._datasets = datasets
        self._activity: pd.DataFrame = unsampled.activity.apply(np.log10)
        self._donors = list(unsampled.donors)
        self._patterns = list(unsampled.patterns)
        self._traits = PictureTraits(atlas)
        self._pictures: dict[int, tuple[Picture, ...]] = {}

    def decoy_beside(self, main: Item, rng: np.random.Generator) -> tuple[Picture, ...]:
        """The pictures of a decoy whose pattern is about as active as the main item's latent."""
        near = self._nearest(int(main.latent or 0), self._patterns)
        pattern = int(rng.choice(near[:N_PATTERNS]))
        self._patterns.remove(pattern)
        frames = self._of(pattern)
        filled = iter(self._fitting([frame for frame in frames if frame.sha256 is not None], pattern))
        return tuple(
            dataclasses.replace(frame, map_index=None)
            if frame.sha256 is None
            else dataclasses.replace(next(filled), rank=frame.rank)
            for frame in frames
        )

    def _fitting(self, frames: Sequence[Picture], pattern: int) -> list[Picture]:
        """A picture for each frame, no two from one latent: those that together are least unlike the pattern's."""
        others = self._nearest(pattern, [latent for latent in self._donors if latent != pattern])
        donors = others[: DONORS_PER_FRAME * len(frames)]
        offers = [[_at_rank(frame, self._of(donor)) for donor in donors] for frame in frames]
        unlike = self._unlike(frames, offers)
        while True:
            rows, columns = linear_sum_assignment(unlike)
            if len(rows) < len(frames) or unlike[rows, columns].max() >= _IMPOSSIBLE:
                raise StudyError(
                    f"too few latents have pictures of {sorted({frame.dataset for frame in frames})} to make a decoy, "
                    "which takes each picture from another latent that was not sampled; ask for no decoys, or put more "
                    "images on disk"
                )
            chosen = [offers[row][column] for row, column in zip(rows, columns, strict=True)]
            doubled = pd.Series([picture.sha256 for picture in chosen if picture]).duplicated()
            if not doubled.any():
                return [picture for picture in chosen if picture]
            unlike[rows[doubled], columns[doubled]] = _IMPOSSIBLE  # two latents may share their best image

    def _unlike(self, frames: Sequence[Picture], offers: Sequence[Sequence[Picture | None]]) -> Floats:
        """(n_frames, n_donors): how unlike a frame's own picture each offer is."""
        is_there = np.array([[offer is not None for offer in row] for row in offers], dtype=bool)
        found = [offer for row in offers for offer in row if offer is not None]
        unlike = np.full(is_there.shape, _IMPOSSIBLE)
        if not found:
            return unlike
        traits = self._traits.of(frames)
        offered = np.repeat(traits[:, None], is_there.shape[1], axis=1)
        offered[is_there] = self._traits.of(found)
        n_ranks = [
            abs(offer.rank - frame.rank) for frame, row in zip(frames, offers, strict=True) for offer in row if offer
        ]
        unlike[is_there] = distances(traits, offered)[is_there] + RANK_WEIGHT * np.array(n_ranks)
        return unlike

    def _nearest(self, latent: int, among: Sequence[int]) -> list[int]:
        """`among` by distance in log10 mean activation and frequency; of equals, the smaller latent first."""
        apart = (self._activity.loc[list(among)] - self._activity.loc[latent]).to_numpy()
        order = np.lexsort((np.array(among), np.hypot(apart[:, 0], apart[:, 1])))
        return [int(among[index]) for index in order]

    def _of(self, latent: int) -> tuple[Picture, ...]:
        if latent not in self._pictures:
            self._pictures[latent] = pictures_of(self._atlas, latent, self._datasets)
        return self._pictures[latent]


def _at_rank(frame: Picture, pictures: Sequence[Picture]) -> Picture | None:
    """The picture on disk of the frame's data set, with a map if the frame has one, whose rank is nearest."""
    fitting = (
        picture
        for picture in pictures
        if picture.sha256 is not None
        and picture.dataset == frame.dataset
        and (picture.map_index is None) == (frame.map_index is None)
    )
    return min(fitting, key=lambda picture: (abs(picture.rank - frame.rank), picture.rank), default=None)
