"""Pictures and maps of a study as a browser receives them: alike for every kind of item.

Apart from what is to be seen, nothing may tell a repeat, a decoy or a direction:

- a picture has a name of its own in every item (`study.names`), so no two items share an address or a digest;
- all pictures of a data set have one length: behind the picture's own end comes filling, which every reader of images
  leaves alone, and which differs from name to name;
- each map is on its own scale, since the latents of a decoy differ by orders of magnitude, and its levels are a little
  uneven, so that the map of a repeat is not the same text again;
- everything is prepared when the study is opened, so that no answer takes longer for one kind of item.

What is served is what was sealed: pictures are hashed each time, maps when the study is opened.
"""

import base64
import hashlib
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import ArtifactError, ChecksumError
from cytosae_core.study.names import keyed_digest, picture_name
from cytosae_core.study.protocol import Item, Picture, Study

Group = dict[str, Any]
"""Frames of one data set: title, um_per_px, frames."""

TITLES = {"mll23": "MLL23", "acevedo": "Acevedo", "matek": "Matek", "bmc": "Bone marrow", "hehr": "AML Hehr"}

UNEVEN = 3
"""Most that a level of a map is moved, of 255: not to be seen, and enough to make two sendings two texts."""


class ServedPicture(NamedTuple):
    """One picture as a browser gets it."""

    content: bytes
    media_type: str


class StudyPictures:
    """Everything that the items of a study show, by names that tell nothing; safe to share between threads."""

    def __init__(self, study: Study, atlas: LatentAtlas) -> None:
        """Raises ArtifactError when the atlas lacks a map of the study, ChecksumError when its maps were changed."""
        atlas.verify_maps()
        self._study = study
        self._atlas = atlas
        self._titles = {info.name: _title(info.name, info.simulated) for info in atlas.datasets}
        self._named = {
            picture_name(study.salt, item.item_id, place): picture
            for item in study.items
            for place, picture in enumerate(item.pictures)
            if picture.sha256
        }
        self._lengths = self._longest_by_dataset()
        self._groups = {item.item_id: self._groups_of(item) for item in study.items}

    def groups(self, item_id: str) -> list[Group]:
        """The frames of an item by data set: name of the picture and map of each, None where there is none.

        A map is base64 of 8-bit levels in row-major order; 255 is the highest activation in that picture.
        """
        return self._groups[item_id]

    def names(self, item_id: str) -> list[str]:
        """Names of the item's pictures, in order."""
        frames = (frame for group in self._groups[item_id] for frame in group["frames"])
        return [frame["picture"] for frame in frames if frame["picture"]]

    def served(self, name: str) -> ServedPicture:
        """The picture of that name; raises ArtifactError without one, ChecksumError for one that is not as sealed.

        The text of an error goes to a rater, so it tells neither file nor digest.
        """
        picture = self._named.get(name)
        if picture is None or picture.sha256 is None:
            raise ArtifactError(f"study {self._study.study_id!r} shows no picture {name!r}; reload the page")
        try:
            path = self._atlas.picture_path(picture.sha256)
            content = path.read_bytes()
        except (ArtifactError, OSError) as error:
            raise ArtifactError(f"a picture of this item is missing on the server; {_TELL}") from error
        if hashlib.sha256(content).hexdigest() != picture.sha256:
            raise ChecksumError(f"a picture of this item was changed after the study was made; {_TELL}")
        filling = hashlib.shake_256(keyed_digest(self._study.salt, "filling", name))
        n_missing = max(0, self._lengths[picture.dataset] - len(content))
        return ServedPicture(content + filling.digest(n_missing), f"image/{path.suffix[1:]}")

    def _longest_by_dataset(self) -> dict[str, int]:
        """The length that the pictures of each data set are filled up to, in bytes: the longest one's."""
        n_bytes = self._atlas.pictures()["n_bytes"]
        longest = dict.fromkeys(self._study.datasets, 0)
        for picture in self._named.values():
            longest[picture.dataset] = max(longest[picture.dataset], int(n_bytes.get(picture.sha256, 0)))
        return longest

    def _groups_of(self, item: Item) -> list[Group]:
        frames: dict[str, list[dict[str, str | None]]] = {}
        for place, picture in enumerate(item.pictures):
            frames.setdefault(picture.dataset, []).append(self._frame(item, place, picture))
        return [
            {"title": self._titles[name], "um_per_px": self._study.um_per_px.get(name), "frames": frames[name]}
            for name in frames
        ]

    def _frame(self, item: Item, place: int, picture: Picture) -> dict[str, str | None]:
        if picture.sha256 is None:
            return {"picture": None, "map": None}
        name = picture_name(self._study.salt, item.item_id, place)
        if picture.map_index is None:
            return {"picture": name, "map": None}
        seed = int.from_bytes(keyed_digest(self._study.salt, "map", name))
        levels = map_levels(self._atlas.map(picture.map_index), np.random.default_rng(seed))
        return {"picture": name, "map": base64.b64encode(levels.tobytes()).decode()}


def map_levels(activations: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """A map on its own scale: 255 where it is highest, 0 where the latent is silent, in between within `UNEVEN`."""
    peak = float(activations.max())
    if peak <= 0:
        return np.zeros(activations.shape, dtype=np.uint8)
    share = np.clip(activations / peak, 0, 1)
    moved = 255 * share + rng.uniform(-UNEVEN, UNEVEN, share.shape) * ((share > 0) & (share < 1))
    levels: npt.NDArray[np.uint8] = np.rint(np.clip(moved, 0, 255)).astype(np.uint8)
    return levels


def _title(dataset: str, is_simulated: bool) -> str:
    """The data set's name as people know it; rendered cells only have the look of it."""
    name = TITLES.get(dataset, dataset)
    return f"SIMULATED, in the look of {name}" if is_simulated else name


_TELL = "it is not shown. Please tell your coordinator, who finds it with: python scripts/doctor.py"
