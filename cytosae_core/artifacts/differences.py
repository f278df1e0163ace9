"""Work goes on in a folder only where it was begun with the same settings; otherwise every difference is named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cytosae_core.errors import ArtifactError

N_SHOWN = 12
"""Differences that an error lists, at most."""


def refuse_difference(begun: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raise ArtifactError, naming the entries in which two documents of JSON values differ."""
    before, after = _flat(begun), _flat(now)
    different = [
        f"{key} was {before.get(key)!r} and is {after.get(key)!r}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]
    if different:
        raise ArtifactError(
            f"{folder} was made with other settings: {'; '.join(different[:N_SHOWN])}. Use those, choose another output"
            " folder, or delete it to start again"
        )


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in document.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
