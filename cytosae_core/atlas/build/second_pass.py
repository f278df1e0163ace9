"""The second look, at reference images only: their patch maps, and what is most active in each of their patches."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cytosae_core.artifacts.files import write_whole
from cytosae_core.atlas.build.encode import SparseEncoder
from cytosae_core.atlas.build.references import TopImages
from cytosae_core.errors import ArtifactError
from cytosae_core.geometry import PATCHES
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.source import TokenSource

Arrays = dict[str, Any]


@dataclass(frozen=True)
class SecondPass:
    """What is wanted of the reference images of one data set."""

    encoder: SparseEncoder
    source: TokenSource
    latents: npt.NDArray[np.int64]
    """(n_references,) latent of each reference, in the order of the atlas."""
    rows: npt.NDArray[np.int64]
    """(n_references,) row of its image."""
    with_maps: bool
    keep: npt.NDArray[np.bool_]
    """(n_latents,) latents that are no noise, of which the strongest in a patch are wanted."""
    n_patch_latents: int
    """Latents wanted for each patch; 0: none."""
    is_explained: npt.NDArray[np.bool_]
    """(n_images of the data set,) images whose patches are wanted."""

    @classmethod
    def of(
        cls, encoder: SparseEncoder, source: TokenSource, top: TopImages, marked: npt.NDArray[np.bool_],
        keep: npt.NDArray[np.bool_], *, with_maps: bool, n_patch_latents: int,
    ) -> "SecondPass":  # fmt: skip
        """Maps of all references; patches of the images that are references of a marked latent (n_latents,)."""
        latents, _, rows, _ = top.entries()
        is_explained = np.zeros(source.shape[0], dtype=bool)
        is_explained[rows[marked[latents]]] = n_patch_latents > 0
        return cls(encoder, source, latents, rows, with_maps, keep, n_patch_latents, is_explained)

    def make(self, rows: range, progress: Progress = no_progress) -> Arrays:
        """Maps and patches of the wanted images among these."""
        positions = np.flatnonzero((self.rows >= rows.start) & (self.rows < rows.stop))
        of_image: dict[int, list[int]] = {}
        for position in positions.tolist():
            of_image.setdefault(int(self.rows[position]), []).append(position)
        wanted = sorted(row for row in of_image if self.with_maps or self.is_explained[row])
        found: list[tuple[int, Arrays]] = []
        for batch in self.source.read(wanted):
            for row, tokens in zip(batch.rows, batch.tokens, strict=True):
                found.append((row, self._look(row, tokens, np.array(of_image[row]))))
            progress(len(found), len(wanted))
        return _stacked(found)

    def _look(self, row: int, tokens: npt.NDArray[np.floating], positions: npt.NDArray[np.int64]) -> Arrays:
        arrays: Arrays = {}
        if self.with_maps:
            maps = self.encoder.latents(tokens, self.latents[positions])[PATCHES]  # (n_patches, n_positions)
            arrays |= {"map_places": positions, "maps": _as_half(maps.T, row)}
        if self.is_explained[row]:
            latents, values = self.encoder.strongest_latents(tokens[PATCHES], self.keep, self.n_patch_latents)
            arrays |= {"patch_rows": np.array([row]), "patch_latents": latents[None].astype(np.int32)}
            arrays["patch_values"] = _as_half(values[None], row)
        return arrays


def _as_half(values: npt.NDArray[np.float32], row: int) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        raise ArtifactError(f"image {row}: an activation of {values.max():g} has no place in float16; scale the SAE")
    return half


def _stacked(found: list[tuple[int, Arrays]]) -> Arrays:
    names = dict.fromkeys(name for _, arrays in found for name in arrays)
    return {name: np.concatenate([arrays[name] for _, arrays in found if name in arrays]) for name in names}


def write_arrays(folder: Path, name: str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Write what `SecondPass.make` found: whole, or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
    write_whole(folder, f"{name}.npz", buffer.getbuffer())


def read_arrays(folder: Path, name: str) -> Arrays:
    """What `write_arrays` wrote; ArtifactError where it is missing or damaged."""
    path = folder / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{path} is missing or damaged ({error}); delete it and run the same command") from error
