"""A study's judgements and what follows from them, published as one folder that explains itself."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from cytosae_core.artifacts.files import describe, listed
from cytosae_core.artifacts.folders import workspace
from cytosae_core.artifacts.manifest import MANIFEST, digest_of, json_bytes, library_versions
from cytosae_core.artifacts.tables import RESEARCH_USE_ONLY, SIMULATED, file_name, provenance_of, write_table
from cytosae_core.evaluation.agreement_table import agreement_table
from cytosae_core.evaluation.answers import AnswerTable, items_frame
from cytosae_core.evaluation.bootstrap import N_RESAMPLES
from cytosae_core.evaluation.codebook import COLUMNS as CODEBOOK_COLUMNS
from cytosae_core.evaluation.codebook import codebook
from cytosae_core.evaluation.consensus import consensus_table
from cytosae_core.evaluation.controls import control_table
from cytosae_core.evaluation.disease import disease_table
from cytosae_core.evaluation.latent_table import latent_table
from cytosae_core.evaluation.report import report
from cytosae_core.evaluation.shares import share_table
from cytosae_core.judging.chain import genesis
from cytosae_core.judging.repository import Repository
from cytosae_core.study.files import check_folder_name
from cytosae_core.study.protocol import Study, to_document

FORMAT = "cytosae-study-export"
FORMAT_VERSION = 1

_LIBRARIES = ("numpy", "pandas", "pyarrow")


def export_study(
    repository: Repository,
    study_id: str,
    folder: Path,
    *,
    with_names: bool = False,
    n_resamples: int = N_RESAMPLES,
    seed: int | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Path:
    """Publish `<folder>/<study_id>_<UTC time>` by rename and return its path.

    In it: judgements (all revisions) and judgements_latest, items (unblinded), raters, strata, consensus, shares,
    disease, agreement, latent_classes, controls and codebook, each as CSV, Parquet and JSON; study.json (without its
    salt), report.md and manifest.json with the SHA-256 of every file. Every file name and table of a simulated study
    says SIMULATED. Raters' names are left out unless `with_names`. `seed` is that of the bootstrap, by default the
    study's. A study without judgements exports too. Raises StudyError when there is no such study, ConfigError when the
    folder exists, AnalysisError for fewer than 1 resample.
    """
    study = repository.studies.load(study_id)
    check_folder_name(study.study_id)
    answers = AnswerTable(study, repository.results.judgement_table(study_id))
    raters = _raters(repository.raters.table(study_id, with_names=with_names), answers)
    bootstrap_seed = study.seed if seed is None else seed
    tables = study_tables(answers, raters, n_resamples=n_resamples, seed=bootstrap_seed)
    exported_at = now().astimezone(UTC)
    name = f"{study_id}_{exported_at:%Y%m%dT%H%M%SZ}" + (f"_{SIMULATED}" if study.simulated else "")
    about = {
        "exported_at": exported_at.isoformat(timespec="seconds"),
        "with_names": with_names,
        "seed": bootstrap_seed,
        "n_resamples": n_resamples,
        "n_judgements": len(answers.judgements),
        "chain_head": chain_head_of(study, answers.judgements),
        "raters": list(answers.raters),
    }
    with workspace(folder / name) as hidden:
        for table_name, frame in tables.items():
            write_table(hidden, table_name, frame, study.simulated)
        _write(hidden, study, "study", "json", json_bytes(to_document(study, with_salt=False)))
        _write(hidden, study, "report", "md", report(study, tables).encode())
        _write_manifest(hidden, study, about)
    return folder / name


def study_tables(
    answers: AnswerTable, raters: pd.DataFrame, *, n_resamples: int = N_RESAMPLES, seed: int
) -> dict[str, pd.DataFrame]:
    """Every table of an export by name, the codebook last; `raters` as it is to be exported."""
    study = answers.study
    tables = {
        "judgements": answers.flat,
        "judgements_latest": answers.latest,
        "items": items_frame(study),
        "raters": raters,
        "strata": pd.DataFrame(
            [vars(stratum) for stratum in study.strata], columns=["stratum", "n_latents", "n_eligible", "n_drawn"]
        ),
        "consensus": consensus_table(answers),
        "shares": share_table(answers, n_resamples=n_resamples, seed=seed),
        "disease": disease_table(answers),
        "agreement": agreement_table(answers, n_resamples=n_resamples, seed=seed),
        "latent_classes": latent_table(answers, n_resamples=n_resamples, seed=seed),
        "controls": control_table(answers),
    }
    described = {**tables, "codebook": pd.DataFrame(columns=list(CODEBOOK_COLUMNS))}
    # Every file also has this column, which writing adds.
    marked = {name: frame.assign(provenance=provenance_of(study.simulated)) for name, frame in described.items()}
    return {**tables, "codebook": codebook(study, marked)}


def chain_head_of(study: Study, judgements: pd.DataFrame) -> str:
    """`study:n:hash` of the last of these judgements, as verify_study.py takes it."""
    if judgements.empty:
        return f"{study.study_id}:0:{genesis(study.study_id, digest_of(to_document(study)))}"
    last = judgements.iloc[-1]
    return f"{study.study_id}:{last['chain_number']}:{last['chain_hash']}"


def _raters(raters: pd.DataFrame, answers: AnswerTable) -> pd.DataFrame:
    """The raters with how much of the main items each has judged."""
    study, latest = answers.study, answers.latest
    n_asked = sum(len(answers.items(task.task_id)) * len(task.stages) for task in study.tasks)
    by_rater = latest.groupby("rater_code")
    n_judged = latest[latest["role"] == "main"].groupby("rater_code").size()
    counts = raters["rater_code"].map(n_judged).fillna(0).astype("int64")
    return raters.assign(
        n_judged=counts,
        n_asked=n_asked,
        n_missing=n_asked - counts,
        median_seconds=raters["rater_code"].map(by_rater["seconds"].median()),
        n_overlay_used=raters["rater_code"].map(by_rater["overlay_used"].sum()).fillna(0).astype("int64"),
    )


def _write(folder: Path, study: Study, name: str, suffix: str, content: bytes) -> None:
    (folder / file_name(name, suffix, study.simulated)).write_bytes(content)


def _write_manifest(folder: Path, study: Study, about: dict[str, object]) -> None:
    names = sorted(path.name for path in folder.iterdir())
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "notice": RESEARCH_USE_ONLY,
        "study_id": study.study_id,
        "simulated": study.simulated,
        "provenance": provenance_of(study.simulated),
        **about,
        "libraries": library_versions(*_LIBRARIES),
        "files": listed(describe(folder, names).values()),
    }
    _write(folder, study, MANIFEST.removesuffix(".json"), "json", json_bytes(manifest))
