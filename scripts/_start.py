"""The steps of start.py: each looks for its result first, and makes it only when it is not there."""

import socket
from collections.abc import Mapping
from pathlib import Path

from _cli import bar
from _database import open_database
from _publish import publish_study
from _root import ROOT

from cytosae_core.artifacts.files import whole_path
from cytosae_core.artifacts.manifest import digest_of
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.release.options import ReleaseImport
from cytosae_core.errors import ConfigError
from cytosae_core.judging.raters import new_access_code
from cytosae_core.judging.repository import Repository
from cytosae_core.method import GROUPS
from cytosae_core.study.config import StudyConfig
from cytosae_core.study.protocol import Study

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


def refuse_busy_port(port: int) -> None:
    """Raise ConfigError unless a server can listen on this port of the machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"port {port} cannot be used, perhaps since this app has it already ({error}); open "
                f"http://localhost:{port}, or choose another one with --port"
            ) from error


def say_studies() -> None:
    """Print the studies of the database; ConfigError where there is none."""
    studies = Repository(open_database()).studies.all()
    if not studies:
        raise ConfigError("the database holds no study; make one of a finished atlas with --atlas FOLDER")
    for study in studies:
        print(f"study       {study.study_id}{' (SIMULATED)' if study.simulated else ''}")
    print("            raters sign in with the codes that scripts/add_rater.py prints")


def study_of_atlas(path: Path, dataset: str) -> tuple[LatentAtlas, StudyConfig]:
    """A finished atlas and the study to make of it: both tasks where it has barcodes of the paper's two groups."""
    atlas = LatentAtlas.open(path)
    names = [info.name for info in atlas.datasets]
    barcodes = atlas.barcodes()
    there = set() if barcodes is None else set(barcodes.groups["diagnosis"])
    groups = GROUPS if set(GROUPS) <= there else None
    chosen = dataset if dataset in names else names[0]
    return atlas, StudyConfig(title=f"Concepts in {chosen}", dataset=chosen, groups=groups)


def atlas_of_release(tables: Path, images: Mapping[str, Path], file_lists: Mapping[str, Path]) -> LatentAtlas:
    """The atlas of these inputs, imported on first use."""
    inputs = [
        str(tables.resolve()),
        *(f"{name} {path.resolve()}" for name, path in [*images.items(), *file_lists.items()]),
    ]
    path = ROOT / ATLASES / f"release-{digest_of(inputs)[:12]}"
    if not path.exists():
        from cytosae_core.atlas.release.import_release import import_release  # imports torch, needed only here

        path.parent.mkdir(parents=True, exist_ok=True)
        print("atlas       importing the published tables; display pictures are made once", flush=True)
        options = ReleaseImport(tables=tables, out=path, images=images, file_lists=file_lists)
        import_release(options, bar("pictures"))
    return LatentAtlas.open(path)


def study_of(atlas: LatentAtlas, config: StudyConfig) -> str:
    """Id of the study that start.py makes of this atlas and configuration, made on first use."""
    repository = Repository(open_database(may_create=True))
    study = made_before(repository, atlas, config) or _new_study(atlas, config)
    publish_study(study, repository, atlas.path, ROOT / STUDIES)
    return study.study_id


def _new_study(atlas: LatentAtlas, config: StudyConfig) -> Study:
    from cytosae_core.study.builder import build_study  # imports scikit-learn, seconds of a second start

    return build_study(atlas, config)


def made_before(repository: Repository, atlas: LatentAtlas, config: StudyConfig) -> Study | None:
    """The study that this configuration made of the atlas; a coordinator's own study is never taken for it."""
    asked = {"concept": {name: getattr(config, name) for name in _RECORDED}}
    if config.groups is not None:
        asked["disease"] = {"groups": list(config.groups), "n_wanted": config.n_differential, "seed": config.seed}
    for summary in repository.studies.all():
        if summary.title == config.title:
            study = repository.studies.load(summary.study_id)
            is_asked = study.sampling.keys() == asked.keys() and all(
                asked[task].items() <= study.sampling[task].items() for task in asked
            )
            if study.atlas_id == atlas.atlas_id and is_asked:
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
    if not note.exists() or GUEST not in set(repository.raters.table(study_id)["rater_code"]):
        repository.raters.add(GUEST, study_id, access_code=code)
    if not note.exists():
        with whole_path(note, mode=0o600) as unfinished:
            unfinished.write_text(code)
    return GUEST, code
