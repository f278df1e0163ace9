"""Say where to get a data set, or check that all of it lies on disk: counts per class, differences, unusable files."""

from dataclasses import dataclass
from pathlib import Path

from _cli import bar, run

from cytosae_core.images.datasets import FACTS, compare_counts, where_to_get
from cytosae_core.images.readable import check_readable
from cytosae_core.images.select import list_images
from cytosae_core.images.table import refuse_past


@dataclass(frozen=True)
class Config:
    """What to look at."""

    dataset: str
    """Published data set (mll23, acevedo, matek, bmc, hehr) or any name for images of your own."""
    root: Path | None = None
    """Folder of the images; without it and without a CSV, says where to get the data set."""
    csv: Path | None = None
    """CSV with a column path, and optionally label, patient, diagnosis."""
    by_patient: bool = False
    """Images of your own lie as diagnosis/patient/file, not as class/file."""
    published_quality: bool = False
    """hehr: leave out AML patients with fewer than 20 % malignant cells."""
    decode: bool = False
    """Also read every image; takes minutes for a large data set."""
    workers: int = 4
    """Images read at the same time."""
    max_skipped: int | None = None
    """Fail when more files than this cannot be used."""


def main(config: Config) -> None:
    """Print what is there, or where it is."""
    if config.root is None and config.csv is None and config.dataset in FACTS:
        print(where_to_get(config.dataset))
        return
    table = list_images(
        config.dataset,
        config.root,
        config.csv,
        by_patient=config.by_patient,
        only_published_quality=config.published_quality,
    )
    if config.decode:
        table = check_readable(table, config.workers, bar("read images"))
    print(compare_counts(table, config.dataset).to_string(index=False, na_rep="-"))
    print(f"\nfingerprint {table.fingerprint}\nfiles that cannot be used: {len(table.skipped)}")
    for image in table.skipped:
        print(f"  {image.relative_path}: {image.reason}")
    if config.max_skipped is not None:
        refuse_past(table, config.max_skipped)


if __name__ == "__main__":
    run(main, Config)
