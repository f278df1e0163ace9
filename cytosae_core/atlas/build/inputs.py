"""From what a user names (token stores, folders of images) to the data sets of a build."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cytosae_core.atlas.build.plan import DatasetInput
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import ConfigError
from cytosae_core.images.select import list_images
from cytosae_core.images.simulated import says_simulated
from cytosae_core.images.sources import source_of
from cytosae_core.images.table import ImageTable
from cytosae_core.tokens.source import StoreTokens
from cytosae_core.tokens.store import TokenStore
from cytosae_core.tokens.stream import StreamConfig, StreamedTokens

PAPER_BLOCK = 11


@dataclass(frozen=True)
class InputChoice:
    """Which data sets become an atlas."""

    tokens: tuple[Path, ...] = ()
    """Token stores, one per data set, as extract_tokens.py makes them."""
    images: Mapping[str, Path] = field(default_factory=dict)
    """Image folder of each data set: acevedo FOLDER bmc FOLDER. With a token store: for the pictures only; without:
    its tokens are made as they are needed, twice for reference images."""
    by_patient: tuple[str, ...] = ()
    """Data sets of your own that lie as diagnosis/patient/file, not as class/file."""
    block: int | None = None
    """Block whose tokens are taken, counted from 1; that of the store, or the paper's 11, by default."""
    batch_size: int = 32
    """Images in a forward pass of the backbone."""
    simulated: tuple[str, ...] = ()
    """Data sets whose images were rendered by a program, where neither store nor files say so themselves."""


def dataset_inputs(choice: InputChoice, make_backbone: Callable[[], Backbone]) -> list[DatasetInput]:
    """The data sets in the order given, stores first; the backbone is made only where a data set has no store.

    Raises ConfigError when nothing or one data set twice is given, and what stores and folders raise.
    """
    stores = [TokenStore.open(path, choice.block) for path in choice.tokens]
    found = [_from_store(choice, store) for store in stores]
    names = [one.name for one in found]
    streamed = [name for name in choice.images if name not in names]
    if streamed:
        backbone = make_backbone()
        found += [_from_images(choice, name, backbone) for name in streamed]
    if not found:
        raise ConfigError("no data set is given; name token stores in --tokens, or folders in --images")
    if len(set(names)) < len(names):
        raise ConfigError(f"two token stores hold the same data set: {sorted(names)}; give each once")
    return found


def _from_store(choice: InputChoice, store: TokenStore) -> DatasetInput:
    tokens = StoreTokens.by_id(store)
    name = str(tokens.index["dataset"].iat[0])
    source = source_of(name)
    given = choice.images.get(name)
    root = None if given is None else source.find_root(given)
    says_so = bool(store.manifest.get("simulated", False)) or name in choice.simulated
    simulated = says_so or (root is not None and says_simulated(root / str(tokens.index["relative_path"].iat[0])))
    return DatasetInput(tokens, root, source.um_per_px, simulated)


def _from_images(choice: InputChoice, name: str, backbone: Backbone) -> DatasetInput:
    table = list_images(name, choice.images[name], by_patient=name in choice.by_patient)
    stream = StreamConfig(batch_size=choice.batch_size)
    tokens = StreamedTokens(backbone, table, choice.block or PAPER_BLOCK, stream)
    simulated = name in choice.simulated or says_simulated(Path(str(table.frame["path"].iat[0])))
    return DatasetInput(tokens, _root(table), _um_per_px(table.frame), simulated)


def _root(table: ImageTable) -> Path:
    """The folder that relative paths start from."""
    path, relative_path = Path(str(table.frame["path"].iat[0])), str(table.frame["relative_path"].iat[0])
    return path.parents[relative_path.count("/")]


def _um_per_px(frame: pd.DataFrame) -> float | None:
    scales = frame["um_per_px"].dropna().unique()
    return float(scales[0]) if len(scales) == 1 else None
