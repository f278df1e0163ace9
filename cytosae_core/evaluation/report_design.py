"""The report's account of the study itself: raters, sampling, presentation, missing answers."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cytosae_core import markdown
from cytosae_core.study.protocol import Study
from cytosae_core.study.tasks import CONCEPT_TASK, DISEASE_TASK

Tables = Mapping[str, pd.DataFrame]


def study(study: Study, tables: Tables) -> str:
    """Identity of the study and its parts."""
    versions = sorted(tables["judgements_latest"]["app_version"].dropna().unique())
    facts = [
        ("Study", study.study_id),
        ("Made", study.created_at),
        ("Atlas", study.atlas_id),
        ("Sparse autoencoder", study.sae_id),
        ("Data sets shown", ", ".join(study.datasets)),
        ("Seed", study.seed),
        ("Versions of the app", ", ".join(map(str, versions)) or "none yet"),
        *((f"Items of task {task.title}", _roles(study, task.task_id)) for task in study.tasks),
    ]
    return "\n".join(f"- {name}: {markdown.safe(value)}" for name, value in facts)


def _roles(study: Study, task_id: str) -> str:
    counts = Counter(item.role for item in study.items_of(task_id))
    return ", ".join(f"{n} {role}" for role, n in counts.items())


def raters(study: Study, tables: Tables) -> str:
    """Who judged: codes, role and years only."""
    shown = tables["raters"][["rater_code", "role", "years", "n_judged", "n_asked", "median_seconds"]]
    active = shown[shown["n_judged"] > 0]
    if active.empty:
        lead = "There are no judgements yet, so there are no estimates below."
    elif len(active) == 1:
        lead = "One rater has judged so far, so there is no agreement to estimate."
    else:
        lead = f"{len(active)} raters have judged."
    headings = ["Rater", "Role", "Years of experience", "Judged", "Asked", "Median seconds"]
    return f"{lead}\n\n{markdown.table(shown, headings)}"


def sampling(study: Study, tables: Tables) -> str:
    """How latents were chosen, cluster by cluster, and the differential ones."""
    parts = []
    if tables["strata"].empty:
        parts.append("The study does not record strata, so nothing is weighted by cluster.")
    else:
        parts.append(_clusters(study.sampling.get(CONCEPT_TASK, {})))
        parts.append(markdown.table(tables["strata"], ["Cluster", "Latents", "Eligible", "Sampled"]))
    if DISEASE_TASK in study.sampling:
        parts.append(_differential(study.sampling[DISEASE_TASK]))
    return "\n\n".join(parts)


def _clusters(record: Mapping[str, Any]) -> str:
    if not record:
        return "Latents were sampled from clusters; the study does not record how these were made."
    left_out = "; ".join(f"{name}: {why}" for name, why in record["datasets_left_out"].items()) or "none"
    lines = [
        f"{record['n_high_activation']} latents have a log10 mean activation above {record['log10_threshold']:g} on "
        f"{record['dataset']}; {record['n_eligible']} of them have at least {record['min_pictures']} reference images "
        f"on disk and are the population that the sample speaks for. They were clustered ({record['clustering']}, "
        f"{record['n_clusters']} clusters, seed {record['seed']}), and {record['n_per_cluster']} were sampled from "
        "each cluster. This is a stratified sample: a share of all latents has to be weighted by cluster.",
        "",
        f"- Data sets shown: {', '.join(record['datasets_shown'])}",
        f"- Data sets left out: {left_out}",
        f"- Top-ups: {'; '.join(record['top_ups']) or 'none'}",
    ]
    return "\n".join(lines)


def _differential(record: Mapping[str, Any]) -> str:
    patients = ", ".join(f"{group}: {n}" for group, n in record["n_patients"].items())
    divisor = "the patient's number of images" if record["ranking"] == "corrected" else "the width of the autoencoder"
    without = record["left_out_without_pictures"]
    return (
        f"Differential latents between {' and '.join(record['groups'])} (patients: {patients}): counts of activating "
        f"{record['tokens']} (threshold {record['tau']:g}) of each patient over {divisor} (ranking "
        f"'{record['ranking']}'), averaged over the patients of each group; the {record['n_wanted']} largest "
        f"differences in each direction. Pictures are of {record['dataset']} only. Left out because no picture is on "
        f"disk: {len(without)} latents{f' ({without})' if without else ''}."
    )


def presentation(study: Study, tables: Tables) -> str:
    """Blinding, order, and what was recorded with each judgement."""
    latest = tables["judgements_latest"]
    lines = [
        "Raters saw the reference images of a latent by rank, with empty frames for images that are not on disk. "
        "Before saving they saw no latent number, cluster, activation, label, file name or answer of anybody else.",
        "Each rater has an order of their own, made from the study's seed and the rater's code and stored: blocks in "
        "random order, items in random order within blocks, hidden repeats apart from their originals.",
        f"The overlay of activations was looked at in {int(latest['overlay_used'].sum())} of {len(latest)} judgements.",
    ]
    if DISEASE_TASK in [task.task_id for task in study.tasks]:
        lines.append(
            "In the disease task raters chose a group before the direction was shown; that choice could not be changed "
            "afterwards."
        )
    return "\n\n".join(lines)


def missing(study: Study, tables: Tables) -> str:
    """How many answers are missing, for each rater; nothing is filled in."""
    rows = tables["raters"]
    lines = [
        f"- {markdown.safe(row['rater_code'])}: {row['n_missing']} of {row['n_asked']} missing"
        for row in rows.to_dict("records")
    ]
    lead = "Judgements of main items and stages that are not there. Estimates use what is there; nothing is filled in."
    return "\n".join([lead, "", *(lines or ["No rater takes part yet."])])
