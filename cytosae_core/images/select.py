"""One way from what a user names (a data set, a folder, a CSV) to its images."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from cytosae_core.errors import ConfigError
from cytosae_core.images.csv_list import scan_csv
from cytosae_core.images.hehr import published_quality, scan_hehr
from cytosae_core.images.sources import SOURCES, Source, folder_source, patient_source
from cytosae_core.images.table import ImageTable, scan


def list_images(
    dataset: str,
    root: Path | None = None,
    csv: Path | None = None,
    *,
    by_patient: bool = False,
    only_published_quality: bool = False,
    um_per_px: float | None = None,
) -> ImageTable:
    """The images of `dataset`, none of which is opened.

    With `csv`, the images that it names, below `root` where that is given. Else those under `root`: in the published
    layout for a key of `SOURCES`, as `<diagnosis>/<patient>/<file>` with `by_patient`, as `<class>/<file>` for any
    other name. `only_published_quality` leaves out AML patients by the rule of Hehr et al. `um_per_px` overrides
    the published scale, as for resized copies of the images.

    Raises ConfigError for options that contradict each other, ImageTableError for what lies on disk.
    """
    if only_published_quality and (dataset != "hehr" or csv is not None):
        raise ConfigError(f"the published quality rule is one of 'hehr' in its folders, not of '{dataset}' as given")
    if um_per_px is not None and not 0 < um_per_px < np.inf:
        raise ConfigError(f"um_per_px is {um_per_px}; give micrometres per pixel as a positive number")
    table = _list(dataset, root, csv, by_patient, only_published_quality)
    if um_per_px is None:
        return table
    return replace(table, frame=table.frame.assign(um_per_px=um_per_px))


def _list(dataset: str, root: Path | None, csv: Path | None, by_patient: bool, only_quality: bool) -> ImageTable:
    if csv is not None:
        return scan_csv(csv, dataset, root)
    if root is None:
        raise ConfigError(f"data set '{dataset}' has neither a folder nor a CSV; give one of the two")
    source = _source(dataset, by_patient)
    if dataset != "hehr":
        return scan(source, root)
    table = scan_hehr(root)
    return published_quality(table, root).table if only_quality else table


def _source(dataset: str, by_patient: bool) -> Source:
    published = SOURCES.get(dataset)
    if published is not None and by_patient:
        raise ConfigError(f"'{dataset}' is published as {published.layout}; give folders of patients another name")
    return published or (patient_source(dataset) if by_patient else folder_source(dataset))
