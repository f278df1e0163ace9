"""Where the tokens of a data set come from: a token store, or backbone and images as they are needed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_core.backbone.residual import resolve_precision
from cytosae_core.backbone.runtime import make_forward, resolve_runtime
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import ArtifactError
from cytosae_core.images.table import ImageTable
from cytosae_core.tokens.store import Tokens, TokenStore
from cytosae_core.tokens.stream import StreamConfig, forward_batches

COLUMNS = ["image_id", "relative_path", "label", "patient", "diagnosis"]
"""What an atlas takes from a list of images."""
_IMAGES_AT_ONCE = 8


class TokenBatch(NamedTuple):
    """Tokens of a few images."""

    rows: Sequence[int]
    """Rows of the images in `TokenSource.images`."""
    tokens: npt.NDArray[np.floating]
    """(n_images, n_tokens, d_in), CLS first."""
    skipped: list[tuple[int, str]]
    """Rows of images that could not be read, and why."""


class TokenSource(Protocol):
    """The tokens of one data set, image by image."""

    @property
    def dataset(self) -> str:
        """Name of the data set."""

    @property
    def images(self) -> pd.DataFrame:
        """One row an image, with `COLUMNS`, sorted by image_id: the row number is the order among ties."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides the tokens, as plain values without paths: equal only where the tokens are."""

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Image ids, with the reason, that were left out before."""

    def read(self, rows: Sequence[int]) -> Iterator[TokenBatch]:
        """The tokens of these images, a few at a time, in their order."""


class StoreTokens:
    """The tokens of one data set in a token store."""

    def __init__(self, store: TokenStore) -> None:
        """Raises ArtifactError when the store holds several data sets."""
        names = sorted(set(store.index["dataset"]))
        if len(names) != 1:
            raise ArtifactError(f"{store.path} holds the data sets {names}; extract each into a store of its own")
        self.dataset: str = names[0]
        self._store = store
        ids = store.index["image_id"].to_numpy(dtype=object)
        self._positions = np.argsort(ids, kind="stable")
        self.images = store.index[COLUMNS].iloc[self._positions].reset_index(drop=True)
        self._open: tuple[int, Tokens] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Identity of the store's files, of the backbone, and the block."""
        manifest = self._store.manifest
        return {
            "tokens": self._store.store_id,
            "backbone": dict(manifest["backbone"]),
            "block": self._store.block,
            "fingerprint": manifest["dataset"]["fingerprint"],
        }

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Images that the extraction could not read."""
        return [(image["image_id"], image["reason"]) for image in self._store.manifest["skipped"]]

    def read(self, rows: Sequence[int]) -> Iterator[TokenBatch]:
        """The tokens of these images in their order."""
        for start in range(0, len(rows), _IMAGES_AT_ONCE):
            batch = rows[start : start + _IMAGES_AT_ONCE]
            yield TokenBatch(batch, np.stack([self._image(int(self._positions[row])) for row in batch]), [])

    def _image(self, position: int) -> Tokens:
        index = int(np.searchsorted(self._store.starts, position, side="right")) - 1
        if self._open is None or self._open[0] != index:
            self._open = (index, self._store.shard(index))
        tokens: Tokens = self._open[1][position - self._store.starts[index]]
        return tokens


class StreamedTokens:
    """The tokens of a list of images, made by a backbone whenever they are asked for."""

    def __init__(self, backbone: Backbone, table: ImageTable, block: int, config: StreamConfig) -> None:
        """The table lists the images of one data set; `config.blocks` is not looked at."""
        self.dataset = str(table.frame["dataset"].iat[0])
        self.images: pd.DataFrame = table.frame[COLUMNS]
        self._backbone, self._table, self._block = backbone, table, block
        precision = resolve_precision(config.precision, backbone.device)
        runtime = resolve_runtime(config.runtime, backbone.device, precision)
        self._config = replace(config, blocks=(block,), precision=precision, runtime=runtime)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Identity of the list of images, of the backbone, and what can change the last digits of a token."""
        backbone = self._backbone
        return {
            "backbone": {
                "name": backbone.name,
                "architecture": backbone.architecture,
                "backbone_id": backbone.backbone_id,
                "n_blocks": backbone.n_blocks,
            },
            "block": self._block,
            "fingerprint": self._table.fingerprint,
            "run": {
                "batch_size": self._config.batch_size,
                "runtime": self._config.runtime,
                "precision": self._config.precision,
            },
        }

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Files that were left out when the images were listed."""
        return [(f"{self.dataset}/{image.relative_path}", image.reason) for image in self._table.skipped]

    @cached_property
    def _forward(self) -> Any:  # noqa: ANN401 - as make_forward gives it; made once, since compiling takes long
        return make_forward(self._backbone, self._config.blocks, self._config.runtime, self._config.precision)

    def read(self, rows: Sequence[int]) -> Iterator[TokenBatch]:
        """The tokens of these images in their order; unreadable ones are named beside them."""
        step = self._config.batch_size
        batches = [rows[start : start + step] for start in range(0, len(rows), step)]
        for batch in forward_batches(self._backbone, self._table, self._config, batches, self._forward):
            skipped = [(row, reason) for row, reason in batch.skipped]
            tokens = batch.tokens.get(self._block)
            none = np.zeros((0, self._backbone.n_tokens, self._backbone.d_model), np.float16)
            yield TokenBatch(batch.positions, none if tokens is None else tokens, skipped)
