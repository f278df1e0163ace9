"""The stages of start.py: each looks for its result first, and makes it only when it is not there."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from _cli import bar
from _database import open_database
from _root import ROOT

from cytosae_core.annotation.protocol import digest_of
from cytosae_core.annotation.raters import new_access_code
from cytosae_core.annotation.repository import Repository
from cytosae_core.annotation.study_builder import StudyConfig, build_study, write_study
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.release_options import ReleaseImport

ATLASES = Path("artifacts") / "atlases"
STUDIES = Path("artifacts") / "studies"
SIGN_IN = Path("artifacts") / "guest-access-code.txt"
GUEST = "GUEST"
WHAT_IT_NEEDS = """\
start.sh opens the app on a study of the published CytoSAE. It needs two things:

  --tables FOLDER           the published latent tables: one folder a data set (mll23, acevedo, ...), each with
                            sae_mean_acts.pt and its companions, from the authors' repository
                            (dynamical-inference/cytosae, out/feature_data/sae_8jsxk3co/custom)
  --images NAME FOLDER ...  for at least one of those data sets, its images as published, for example
                            --images acevedo PBC_dataset_normal_DIB
                            (scripts/check_dataset.py --dataset acevedo says where to get them)

If some images are missing, name the list of all files too: --file-lists acevedo FILE."""


def is_free(port: int) -> bool:
    """Whether a server can listen on this port of the machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def atlas_of_release(tables: Path, images: Mapping[str, Path], file_lists: Mapping[str, Path]) -> LatentAtlas:
    """The atlas of these inputs, imported on first use."""
    places = [
        str(tables.resolve()),
        *(f"{name} {path.resolve()}" for name, path in [*images.items(), *file_lists.items()]),
    ]
    path = ROOT / ATLASES / f"release-{digest_of(places)[:12]}"
    if not path.exists():
        from cytosae_core.atlas.release import import_release  # imports torch, needed only here

        path.parent.mkdir(parents=True, exist_ok=True)
        print("atlas   importing the published tables; display pictures are made once", flush=True)
        options = ReleaseImport(tables=tables, out=path, images=images, file_lists=file_lists)
        import_release(options, bar("pictures"))
    return LatentAtlas.open(path)


def study_of(atlas: LatentAtlas, dataset: str) -> str:
    """Id of the study of this atlas and data set in the database, made on first use."""
    repository = Repository(open_database(may_create=True))
    for summary in repository.studies():
        study = repository.load_study(summary.study_id)
        if study.atlas_id == atlas.atlas_id and study.sampling["concept"]["dataset"] == dataset:
            return study.study_id
    study = build_study(atlas, StudyConfig(title="Concepts of the published CytoSAE", dataset=dataset))
    write_study(study, ROOT / STUDIES)
    repository.register_study(study, atlas.path.relative_to(ROOT).as_posix())
    return study.study_id


def sign_in_of(study_id: str) -> tuple[str, str]:
    """Codes of the guest rater, who takes part in the study from now on.

    The access code lies in a file that only this user can read; it is written before the rater is made, so that an
    interruption between the two loses nothing.
    """
    note = ROOT / SIGN_IN
    if not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(new_access_code())
    repository = Repository(open_database())
    if GUEST not in set(repository.rater_table(study_id)["rater_code"]):
        repository.add_rater(GUEST, study_id, access_code=note.read_text())
    return GUEST, note.read_text()
