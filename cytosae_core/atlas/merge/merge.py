"""Atlases of parts of a data set, or of different data sets, as one: the atlas of the whole, exactly.

Counts, exact sums, references, maps, barcodes and the patients' own images are those that one pass over all images
would have found. What depends on the whole cannot all be: pictures are those that the parts have, and the latents of
patches are kept for those images only where they are what the whole would have kept, since another latent may be noise
in the whole. What had to be left out is said in the manifest (`config.left_out`).
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cytosae_core.artifacts import files as atlas_files
from cytosae_core.artifacts.folders import workspace
from cytosae_core.atlas import optional_files, tables
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.manifest import REMEDY, Manifest, Skipped
from cytosae_core.atlas.merge.barcodes import carry_image_barcodes, carry_patient_references, merged_barcodes
from cytosae_core.atlas.merge.datasets import (
    Carried,
    DatasetPart,
    added_sums,
    merged_maps,
    merged_part,
    merged_references,
    parts_of,
)
from cytosae_core.atlas.merge.patches import carry_patches
from cytosae_core.atlas.merge.rule import PatchRule
from cytosae_core.atlas.writer import AtlasContents, AtlasPart, fill
from cytosae_core.errors import ConfigError


def merge_atlases(paths: Sequence[Path], out: Path) -> Manifest:
    """Publish one atlas of all the data sets; one that several atlases have was in parts, and is added up.

    Raises ConfigError when SAE or definitions differ, an image is in two parts, or `out` exists; ArtifactError when an
    atlas is damaged or has no exact sums.
    """
    atlases = [LatentAtlas.open(path) for path in paths]
    _refuse_differences(atlases)
    parts = [part for atlas in atlases for part in parts_of(atlas)]
    names = list(dict.fromkeys(part.info.name for part in parts))
    groups = [[part for part in parts if part.info.name == name] for name in names]
    with workspace(out) as folder:
        return fill(folder, _contents(folder, atlases, groups, PatchRule.of(atlases, names)))


def _refuse_differences(atlases: Sequence[LatentAtlas]) -> None:
    if not atlases:
        raise ConfigError("no atlas is given; name at least one")
    for atlas in atlases:
        if tables.SUMS_NAME not in atlas.manifest.files or "definitions" not in atlas.manifest.config:
            raise ConfigError(f"{atlas.path} has no exact sums: it was made from tables; merge atlases that were built")
    for what, found in {
        "SAE": [atlas.sae_id for atlas in atlases],
        "definitions": [atlas.manifest.config["definitions"] for atlas in atlases],
        "kind of pictures": [atlas.manifest.picture_suffix for atlas in atlases],
    }.items():
        if any(value != found[0] for value in found):
            raise ConfigError(f"the atlases differ in {what}: {found}; merge only what was made alike")


def _contents(
    folder: Path, atlases: Sequence[LatentAtlas], groups: Sequence[Sequence[DatasetPart]], rule: PatchRule
) -> AtlasContents:
    """Everything of the merged atlas; large files and pictures are written into the folder."""
    definitions = atlases[0].manifest.config["definitions"]
    references = [merged_references(group, int(definitions["n_references"])) for group in groups]
    map_values = merged_maps(folder, atlases, references) if all(atlas.has_maps for atlas in atlases) else None
    has_maps = map_values is not None
    parts = [merged_part(group, rows, has_maps=has_maps) for group, rows in zip(groups, references, strict=True)]
    barcodes = merged_barcodes(atlases)
    carried = [
        carry_patient_references(folder, atlases, int(definitions["n_patient_references"])),
        carry_image_barcodes(folder, atlases),
        carry_patches(folder, groups, parts, rule),
    ]
    sums = optional_files.write_sums(folder, [added_sums(group) for group in groups])
    return AtlasContents(
        sae_id=atlases[0].sae_id,
        n_latents=atlases[0].n_latents,
        parts=parts,
        pictures=_pictures(folder, atlases, parts),
        picture_suffix=atlases[0].manifest.picture_suffix,
        map_values=map_values,
        barcodes=barcodes,
        image_activation=atlases[0].manifest.image_activation,
        config=_config(atlases, rule, carried),
        skipped=_skipped(atlases),
        more_files=[sums, *(name for one in carried for name in one.files)],
    )


def _config(atlases: Sequence[LatentAtlas], rule: PatchRule, carried: Sequence[Carried]) -> dict[str, object]:
    return {
        "made_by": "merge_atlases",
        "of": [atlas.atlas_id for atlas in atlases],
        "definitions": atlases[0].manifest.config["definitions"],
        **rule.to_document(),
        "left_out": {name: reason for one in carried for name, reason in one.left_out.items()},
    }


def _pictures(folder: Path, atlases: Sequence[LatentAtlas], parts: Sequence[AtlasPart]) -> pd.DataFrame:
    """Copy the pictures that the atlases have of the references of the whole; returns the table of them."""
    (folder / tables.DISPLAY_NAME).mkdir()
    wanted = pd.concat([part.references["image_id"] for part in parts])
    frames = []
    for atlas in atlases:
        images = tables.read_table(atlas.path / tables.IMAGES_NAME, tables.IMAGES).to_pandas()
        images = images[images["image_id"].isin(wanted)].dropna(subset=["picture"])
        for sha256 in images["picture"].unique():
            source = atlas.picture_path(sha256)
            target = folder / source.relative_to(atlas.path)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(source.read_bytes())
            atlas_files.check_digest(folder, target.relative_to(folder).as_posix(), sha256, REMEDY)
        frames.append(images)
    columns = ["image_id", "picture", "width", "height", "n_bytes"]
    pictures: pd.DataFrame = pd.concat(frames, ignore_index=True).drop_duplicates("image_id")[columns]
    return pictures


def _skipped(atlases: Sequence[LatentAtlas]) -> tuple[Skipped, ...]:
    found = {one for atlas in atlases for one in atlas.manifest.skipped}
    return tuple(sorted(found, key=lambda one: (one.image_id, one.reason)))
