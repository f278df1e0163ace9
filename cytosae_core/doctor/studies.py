"""The database, its studies, and their atlases, looked at without changing anything."""

from pathlib import Path

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.doctor.finding import Finding, State
from cytosae_core.errors import CytosaeError
from cytosae_core.judging.database import Examined, examine
from cytosae_core.judging.repository import Repository
from cytosae_core.judging.verification import Verdict, verify

_RESTORE = "restore a backup that scripts/backup_database.py made"


def check_studies(root: Path, database: str, atlas: str = "", *, is_quick: bool = False) -> list[Finding]:
    """Findings about the database (a path or a URL), each of its studies, and each study's atlas.

    `atlas` stands in for the registered folders, as CYTOSAE_ATLAS does for the app. Unless `is_quick`, every byte of
    the atlases is compared with its digest.
    """
    if "://" not in database and not Path(database).exists():
        remedy = "bash scripts/start.sh makes one with a demo; scripts/create_study.py one with your study"
        return [Finding("database", State.NOTE, f"none at {database}", remedy)]
    try:
        found = examine(database)
    except CytosaeError as error:
        return [Finding("database", State.FAULT, str(error), _RESTORE)]
    findings = [_of_database(database, found)]
    if found.is_current:
        repository = Repository(found.engine)
        findings += [_of_study(root, repository, one.study_id, atlas, is_quick) for one in repository.studies.all()]
        findings += [_of_judgements(verdict) for verdict in verify(found.engine)]
    found.engine.dispose()
    return findings


def _of_database(database: str, found: Examined) -> Finding:
    if found.integrity != "ok":
        return Finding("database", State.FAULT, f"{database} is damaged: {found.integrity}", _RESTORE)
    if not found.is_current:
        remedy = "make a backup (a copy, with nobody at work), then start the app: it migrates"
        return Finding("database", State.NOTE, f"{database} has schema {found.revision}, an older one", remedy)
    return Finding("database", State.OK, f"{database}, whole, newest schema, {found.n_judgements:,} judgements")


def _of_judgements(verdict: Verdict) -> Finding:
    if verdict.faults:
        remedy = (
            "keep the file as it is, and compare it with backups and exports: scripts/verify_study.py names all faults"
        )
        return Finding("judgements", State.FAULT, f"{verdict.study_id}: {'; '.join(verdict.faults[:3])}", remedy)
    since = f", chained since {verdict.head.started_at:%Y-%m-%d}" if verdict.head else ""
    return Finding("judgements", State.OK, f"{verdict.study_id}: {verdict.n_judgements} as they were saved{since}")


def _of_study(root: Path, repository: Repository, study_id: str, stand_in: str, is_quick: bool) -> Finding:
    try:
        study = repository.studies.load(study_id)
        path = Path(stand_in or repository.studies.atlas_path(study_id))
        atlas = LatentAtlas.open(path if path.is_absolute() else root / path)
        if not is_quick:
            atlas.verify()
    except CytosaeError as error:
        remedy = "bring its atlas back to that folder, or name where it is: CYTOSAE_ATLAS=FOLDER"
        return Finding("study", State.FAULT, f"{study_id}: {error}", remedy)
    if atlas.atlas_id != study.atlas_id:
        found = f"{study_id} was made from {study.atlas_id}, and {path} holds {atlas.atlas_id}"
        return Finding("study", State.FAULT, found, "name the folder of the right one: CYTOSAE_ATLAS=FOLDER")
    mark = ", SIMULATED" if study.simulated else ""
    checked = "its atlas opens" if is_quick else "every byte of its atlas as recorded"
    return Finding("study", State.OK, f"{study_id}: {len(study.items)} items{mark}, {checked}")
