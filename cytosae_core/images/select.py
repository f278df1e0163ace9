"""One way from what a user names (a data set, a folder, a CSV) to its images."""

from dataclasses import replace
from pathlib import Path

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
    the published scale, as for resized copies.

    Raises ConfigError for options that contradict each other, ImageTableError for what lies on disk.
    """
    if only_published_quality and (dataset != "hehr" or csv is not None):
        raise ConfigError(f"the published quality rule is one of 'hehr' in its folders, not of '{dataset}' as given")
    if csv is not None:
        return scan_csv(csv, dataset, root, um_per_px)
    if root is None:
        raise ConfigError(f"data set '{dataset}' has neither a folder nor a CSV; give one of the two")
    if dataset == "hehr":
        table = scan_hehr(root)
        return published_quality(table, root).table if only_published_quality else table
    return scan(_source(dataset, by_patient, um_per_px), root)


def _source(dataset: str, by_patient: bool, um_per_px: float | None) -> Source:
    published = SOURCES.get(dataset)
    if published is None:
        return patient_source(dataset, um_per_px) if by_patient else folder_source(dataset, um_per_px)
    if by_patient:
        raise ConfigError(f"'{dataset}' is published as {published.layout}; give folders of patients another name")
    return published if um_per_px is None else replace(published, um_per_px=um_per_px)
