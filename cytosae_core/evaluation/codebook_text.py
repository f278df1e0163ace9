"""Words of the codebook that do not depend on the study: notes, columns, and values."""

from cytosae_core.artifacts.tables import RESEARCH_USE_ONLY

NOTES = (
    RESEARCH_USE_ONLY,
    "Each table lies here as CSV, Parquet and JSON with the same rows. Text in CSV that begins with = + - @ (or their "
    "full-width forms), a tab or a line break has an apostrophe put before it, so that no spreadsheet runs it as a "
    "formula; Parquet and JSON hold the text exactly as typed.",
    "Lists are joined with '; ' in CSV and are lists in Parquet and JSON. Times are UTC. An empty cell means that "
    "there is no value.",
    "All estimates are over main items and each rater's latest answers: repeats, decoys and training items never enter "
    "them. Intervals are at 95 %.",
)

COLUMN_MEANINGS: dict[str, str] = {
    "provenance": "Where the pictures come from",
    "judgement_id": "Identity of the judgement",
    "study_id": "Identity of the study; ends in the digest of its content",
    "task_id": "Task",
    "item_id": "Item; opaque to raters",
    "stage_id": "Stage of the task: questions that were answered and saved together",
    "question_id": "Question",
    "role": "What the item is for",
    "raters.role": "Profession of the rater, as entered",
    "block": "Block of the item; blocks hold one latent of each cluster, or the same number of both directions",
    "rater_code": "Code of the rater; (consensus) is what more than half of the raters who answered say",
    "raters": "Raters compared: all, or a pair",
    "revision": "Number of this judgement among those of the same rater, item and stage, from 1",
    "is_latest": "Whether it is the last revision: the one that counts",
    "shown_at": "When the item was shown, UTC",
    "submitted_at": "When the judgement was saved, UTC",
    "seconds": "Seconds from showing to saving",
    "overlay_used": "Whether the rater looked at the activation overlay",
    "pictures_digest": "SHA-256 of the pictures shown, in order",
    "app_version": "Version of the app that showed the item",
    "chain_number": "Place of the judgement in the chain of the study, from 1, in the order of saving",
    "chain_hash": "Hash of the judgement and of the one before it; verify_study.py checks it",
    "latent": "Number of the latent; empty for decoys",
    "stratum": "Cluster of high-activation latents from which the latent was sampled",
    "direction": "Group in which the latent is stronger (differential latents)",
    "rank": "Position among the differential latents of its direction, from 1",
    "repeat_of": "Item that this one repeats",
    "n_pictures": "Pictures shown",
    "n_empty_frames": "Reference images that are not on disk and were shown as empty frames",
    "years": "Years of experience, as entered",
    "name": "Name of the rater; exported on request only",
    "n_judged": "Stages of main items that the rater judged",
    "n_asked": "Stages of main items in the study",
    "n_missing": "Stages of main items that the rater has not judged",
    "median_seconds": "Median of the seconds from showing to saving, over the judgements that count",
    "n_overlay_used": "Judgements that count for which the activation overlay was looked at",
    "n_latents": "High-activation latents in the cluster",
    "n_eligible": "Those with enough reference images on disk: the population that the sample speaks for",
    "n_drawn": "Latents sampled from the cluster",
    "consensus": "Answer of more than half of the raters who answered; empty where nobody did",
    "n_for": "Raters who gave the most frequent answer",
    "consensus.n_raters": "Raters who answered",
    "agreement.n_raters": "Raters compared",
    "answers": "Answer of each rater",
    "concepts": "What each rater typed, word for word",
    "statistic": "Statistic of agreement; formulas and sources in cytosae_core/evaluation/agreement.py",
    "weighting": "Whether each latent counts once, or as many times as the latents of its cluster that it stands for",
    "value": "Estimate; empty where it is not defined",
    "codebook.value": "Value that is explained; empty: the column itself",
    "low": "Lower limit of the 95 % interval",
    "high": "Upper limit of the 95 % interval",
    "agreement.low": "Lower limit of the 95 % bootstrap interval over items, resampled within strata",
    "agreement.high": "Upper limit of the 95 % bootstrap interval over items, resampled within strata",
    "undefined_share": "Share of the resamples in which the statistic is not defined",
    "n_items": "Items with at least two answers",
    "n_resamples": "Bootstrap resamples",
    "note": "Why there is no estimate, or what to beware of",
    "denominator": "Which answers are below the line",
    "n_yes": "Items that count above the line",
    "n": "Items below the line",
    "disease.n_judged": "Items shown that were answered",
    "n_shown": "Items shown",
    "share": "n_yes / n, or weighted by cluster",
    "disease.share": "n_yes / n_judged",
    "coverage": "Part of the eligible latents whose cluster has an answer; the weighted share speaks for these",
    "measure": "What is counted",
    "top": "Length of the ranking counted: ranks 1 to this",
    "control": "Kind of control",
    "table": "Table that is described",
    "column": "Column that is described",
    "meaning": "What it means",
}

_WEIGHTINGS = {
    "plain": "each latent counts once",
    "cluster_weighted": "weighted by n_eligible / n_drawn of its cluster",
}

VALUE_MEANINGS: dict[str, dict[str, str]] = {
    "provenance": {
        "SIMULATED": "pictures rendered by a program: nothing here is about real cells",
        "photographed": "pictures of real cells",
    },
    "role": {
        "main": "counts in the estimates",
        "repeat": "a main item shown a second time",
        "decoy": "pictures of several latents shown as one",
        "training": "shows how the form works; never counted",
    },
    "raters.role": {},
    "consensus": {"no_consensus": "no answer has more than half of the raters who answered"},
    "statistic": {
        "percent": "share of agreeing pairs of answers",
        "cohen_kappa": "Cohen's kappa of two raters",
        "fleiss_kappa": "Fleiss' kappa, with gaps after Gwet",
        "gwet_ac1": "Gwet's AC1",
        "krippendorff_alpha": "Krippendorff's alpha, nominal",
    },
    "weighting": _WEIGHTINGS,
    "denominator": {
        "judged": "every answer, artefact and cannot judge included, and no consensus in the row of the consensus",
        "yes_or_no": "yes and no only",
    },
    "measure": {
        "specific": "judged disease-specific and recognisable, with the direction shown",
        "blind_correct": "the group chosen before the direction was shown is the one in which the latent is stronger",
    },
    "control": {
        "repeat": "items judged twice: n_yes got the same answer; first answers, before any revision",
        "decoy": "pictures of several latents: n_yes were called meaningful",
    },
}
