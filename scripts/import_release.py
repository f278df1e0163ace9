"""Make an atlas from the latent tables that the CytoSAE authors published, with pictures of the data sets at hand.

python scripts/import_release.py --tables DIR --out artifacts/atlas --images acevedo FOLDER
"""

import sys
from typing import TYPE_CHECKING

from _cli import bar, run

from cytosae_core.atlas.release.options import ReleaseImport
from cytosae_core.method import LOG10_THRESHOLD

if TYPE_CHECKING:
    from cytosae_core.atlas.release.import_release import ImportReport


def main(options: ReleaseImport) -> None:
    """Import, and say what was found."""
    try:
        # Not at the top: the processes that make pictures import this file too, and need no torch.
        from cytosae_core.atlas.release.import_release import import_release
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error.name} is not installed; run: pip install -r requirements.txt")
    try:
        report = import_release(options, bar("pictures"))
    except KeyboardInterrupt:
        sys.exit(f"interrupted: nothing lies at {options.out} yet; the same command continues where it stopped")
    show(options, report)


def show(options: ReleaseImport, report: "ImportReport") -> None:
    """Print what the atlas holds and what could not be shown."""
    manifest = report.manifest
    mark = " (SIMULATED)" if manifest.simulated else ""
    print(f"{options.out}{mark}: {manifest.atlas_id}, SAE {manifest.sae_id}, {manifest.n_latents:,} latents")
    for info, one in zip(manifest.datasets, report.prepared, strict=True):
        checked = "every label checked" if one.images is not None else "no image list: labels not checked"
        print(
            f"  {info.name}: {info.n_images:,} images, {len(one.part.references):,} references ({checked}), "
            f"{one.n_high:,} latents above 10^{LOG10_THRESHOLD:g}, entropy within {one.entropy_difference:.1e}, "
            f"{info.n_pictures:,} pictures"
        )
        if one.images is not None and one.images.n_ignored:
            print(f"    {one.images.n_ignored} files in the image folder are not part of the data set's layout")
    if report.barcodes is not None:
        groups = report.barcodes.groups
        sizes = ", ".join(f"{name} {n}" for name, n in groups["diagnosis"].value_counts().sort_index().items())
        print(f"  barcodes of {len(groups)} patients ({sizes}) with {groups['n_images'].sum():,} images")
    if len(report.prepared) > 1:
        print(f"  strongest latents that any two data sets share: at least {report.smallest_share:.1%}")
    if manifest.skipped:
        print(f"  {len(manifest.skipped):,} images cannot be shown (all are listed in manifest.json), as:")
        for skipped in manifest.skipped[:5]:
            print(f"    {skipped.image_id}: {skipped.reason}")


if __name__ == "__main__":
    run(main, ReleaseImport)
