"""The stages of start.py: each looks for its result first, and makes it only when it is not there."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from _cli import bar
from _database import open_database
from _publish import publish_study
from _root import ROOT

from cytosae_core.annotation.protocol import Study, digest_of
from cytosae_core.annotation.raters import new_access_code
from cytosae_core.annotation.repository import Repository
from cytosae_core.annotation.study_builder import StudyConfig, build_study
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.release_options import ReleaseImport

ATLASES = Path("artifacts") / "atlases"
STUDIES = Path("artifacts") / "studies"
SIGN_IN = Path("artifacts") / "guest-access-code.txt"
GUEST = "GUEST"
_RECORDED = (
    "dataset",
    "seed",
    "log10_threshold",
    "n_clusters",
    "n_per_cluster",
    "min_pictures",
    "n_repeats",
    "n_decoys",
)
"""Settings that a study keeps in the record of its concept task."""
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
    """Id of the study that start.py makes of this atlas and data set, made on first use."""
    repository = Repository(open_database(may_create=True))
    config = StudyConfig(title="Concepts of the published CytoSAE", dataset=dataset)
    study = made_before(repository, atlas, config) or build_study(atlas, config)
    publish_study(study, repository, atlas.path, ROOT / STUDIES)
    return study.study_id


def made_before(repository: Repository, atlas: LatentAtlas, config: StudyConfig) -> Study | None:
    """The study that this configuration made of the atlas; a coordinator's own study is never taken for it."""
    asked = {name: getattr(config, name) for name in _RECORDED}
    for summary in repository.studies():
        if summary.title == config.title:
            study = repository.load_study(summary.study_id)
            is_default = study.sampling.keys() == {"concept"} and asked.items() <= study.sampling["concept"].items()
            if study.atlas_id == atlas.atlas_id and is_default:
                return study
    return None


def sign_in_of(study_id: str) -> tuple[str, str]:
    """Codes of the guest rater, who takes part in the study from now on.

    The access code lies in a file that only this user can read. The file is written last, and without it the guest
    gets a new code: so whatever was interrupted or removed, the code in the file is the one that works.
    """
    note = ROOT / SIGN_IN
    repository = Repository(open_database())
    code = note.read_text() if note.exists() else new_access_code()
    if not note.exists() or GUEST not in set(repository.rater_table(study_id)["rater_code"]):
        repository.add_rater(GUEST, study_id, access_code=code)
    if not note.exists():
        _write_privately(note, code)
    return GUEST, code


def _write_privately(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    hidden.replace(path)
