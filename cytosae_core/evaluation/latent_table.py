"""Latent classes of each question: how many items are of each, and how often each rater says so."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cytosae_core.evaluation.agreement_table import rated
from cytosae_core.evaluation.answers import AnswerTable, codes_of, compared_questions
from cytosae_core.evaluation.bootstrap import N_RESAMPLES, item_weights, middle_of
from cytosae_core.evaluation.latent_class import FEWEST_RATERS, LatentClasses, PriorCounts, dawid_skene
from cytosae_core.evaluation.question import Rated
from cytosae_core.evaluation.tally import FloatArray

COLUMNS = (
    "task_id",
    "stage_id",
    "question_id",
    "measure",
    "rater_code",
    "answer",
    "weighting",
    "value",
    "low",
    "high",
    "n_expected",
    "n_items",
    "n_resamples",
    "note",
)
EVERYBODY = "(latent class)"
"""Stands in the rater column of shares of a class."""

_MOST_RESAMPLES = 400
"""Each takes as long as the estimate itself, and quantiles of 400 are sure enough."""
_N_STEPS = 30
"""Steps of a resample, which begins at the solution of the whole sample."""
_TOO_FEW = f"needs at least {FEWEST_RATERS} raters who answered: with fewer the model is not identified"


@dataclass(frozen=True)
class LatentEstimates:
    """Shares of the classes, sensitivities and specificities, each a row (value, low, high)."""

    classes: LatentClasses
    shares: dict[str, FloatArray]
    """By weighting, (3, q)"""
    sensitivity: FloatArray
    """(3, R, q)"""
    specificity: FloatArray
    """(3, R, q)"""


def latent_table(table: AnswerTable, *, n_resamples: int = N_RESAMPLES, seed: int) -> pd.DataFrame:
    """Dawid and Skene's classes of each question, over the main items, with 95 % intervals; columns as in COLUMNS.

    Measure "share": part of the items that are of the class. "sensitivity": how often a rater gives the answer to items
    of the class; "specificity": how often another answer to other items. `n_expected` are the items of the class, in
    expectation. Without three raters who answered there are no estimates, and a note.
    """
    rows = []
    for task_id, stage, question in compared_questions(table.study):
        about = {"task_id": task_id, "stage_id": stage.stage_id, "question_id": question.question_id}
        codes = codes_of(table.answers(task_id, stage.stage_id, question.question_id), question.values)
        answers = rated(table, table.items(task_id), codes, len(question.values), False)
        if n_active(answers) < FEWEST_RATERS:
            unknown = {
                "measure": "share",
                "rater_code": EVERYBODY,
                "answer": "",
                "weighting": "plain",
                "note": _TOO_FEW,
            }
            rows.append({**about, **unknown, "n_items": len(answers.codes), "n_resamples": 0})
            continue
        n_used = min(n_resamples, _MOST_RESAMPLES)
        found = latent_estimates(answers, n_resamples=n_used, seed=seed)
        n_expected = found.classes.probabilities.sum(axis=0)
        for code, value in enumerate(question.values):
            limits = {("share", EVERYBODY, name): shares[:, code] for name, shares in found.shares.items()}
            for number, rater in enumerate(table.raters):
                limits["sensitivity", rater, "plain"] = found.sensitivity[:, number, code]
                limits["specificity", rater, "plain"] = found.specificity[:, number, code]
            rows += [
                {
                    **about,
                    "measure": measure,
                    "rater_code": rater,
                    "answer": value,
                    "weighting": weighting,
                    **dict(zip(("value", "low", "high"), numbers.tolist(), strict=True)),
                    "n_expected": float(n_expected[code]),
                    "n_items": len(answers.codes),
                    "n_resamples": n_used,
                    "note": "",
                }
                for (measure, rater, weighting), numbers in limits.items()
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def n_active(answers: Rated) -> int:
    """Raters with an answer."""
    return int((answers.codes >= 0).any(axis=0).sum())


def latent_estimates(answers: Rated, *, n_resamples: int, seed: int) -> LatentEstimates:
    """The classes with intervals of the bootstrap over items.

    The prior of each resample: one item, of any class, and one answer of each rater to items of each class, spread
    over the answers by a Dirichlet distribution that favours none.
    """
    q, n_raters = answers.n_categories, answers.codes.shape[1]
    rng = np.random.default_rng(seed)
    classes = dawid_skene(answers.codes, q)
    prior = PriorCounts(rng.gamma(1 / q, size=(n_resamples, q)), rng.gamma(1 / q, size=(n_resamples, n_raters, q, q)))
    drawn = item_weights(answers.plan, n_resamples, rng)
    resampled = dawid_skene(answers.codes, q, drawn, prior=prior, start=classes.probabilities, n_steps=_N_STEPS)
    return LatentEstimates(
        classes,
        {
            name: _limits(_shares(classes, weights, None), _shares(resampled, drawn * weights, prior))
            for name, weights in answers.weights.items()
        },
        _limits(classes.sensitivity(), resampled.sensitivity()),
        _limits(classes.specificity(), resampled.specificity()),
    )


def _shares(classes: LatentClasses, weights: FloatArray, prior: PriorCounts | None) -> FloatArray:
    """Weighted shares of the classes (..., q); the prior counts as many average items."""
    mean = weights.mean(axis=-1)[..., None]
    members = (weights[..., None] * classes.probabilities).sum(axis=-2)
    members = members if prior is None else members + mean * prior.shares
    shares: FloatArray = members / members.sum(axis=-1, keepdims=True)
    return shares


def _limits(value: FloatArray, resampled: FloatArray) -> FloatArray:
    """Value, low and high `(3, ...)`."""
    low, high, _ = middle_of(resampled.reshape(len(resampled), -1), value.reshape(-1))
    return np.stack([value, low.reshape(value.shape), high.reshape(value.shape)])
