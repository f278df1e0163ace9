"""How well raters agree: pure functions of the sums of a tally.

Each function takes `Sums` and gives one value, or one for each resample; a value that the data does not define
is NaN, never 0 or 1. All but the specific agreement have the form (p_a - p_e) / (1 - p_e): `p_a` agreement that was
observed, `p_e` agreement by chance, on which the coefficients differ.

Letters as in tally.py, and w_kl how nearly categories k and l agree (scales.py; by default 1 if k = l, else 0).
Formulas with gaps: K. L. Gwet, Handbook of Inter-Rater Reliability, 4th edition (2014), chapters 2 to 5.
"""

from dataclasses import dataclass

import numpy as np

from cytosae_core.errors import AnalysisError
from cytosae_core.evaluation.tally import FloatArray, Sums

NO_VARIATION = 1e-12
"""Chance agreement closer to 1 than this means that only one category was used."""


@dataclass(frozen=True)
class Coefficient:
    """A value, with the agreement by chance that it was corrected for."""

    value: FloatArray
    chance: FloatArray


def percent_agreement(sums: Sums, weights: FloatArray | None = None) -> FloatArray:
    """Share of agreeing pairs of answers, p_a.

    Mean over items with r_i >= 2 of sum_kl w_kl r_ik (r_il - [k = l]) / (r_i (r_i - 1)).
    """
    return ratio(_between(sums.pairs, _or_identity(sums, weights)), sums.n_paired)


def specific_agreement(sums: Sums, category: int) -> FloatArray:
    """Chance that another rater gives the answer too, given that one rater gave it.

    sum_i r_ik (r_ik - 1) / (r_i - 1) over sum_i r_ik, items with r_i >= 2: for yes the positive, for no the negative
    agreement (Cicchetti and Feinstein, J Clin Epidemiol 43, 551, 1990; several raters: Spitzer and Fleiss, Br J
    Psychiatry 125, 341, 1974). NaN when nobody gave the answer.
    """
    return ratio(sums.coincidences[..., category, category], sums.coincidences[..., category, :].sum(axis=-1))


def fleiss_kappa(sums: Sums, weights: FloatArray | None = None) -> Coefficient:
    """Fleiss' kappa (Psychol Bull 76, 378, 1971), with gaps after Gwet.

    p_e = sum_kl w_kl pi_k pi_l with pi_k the mean of r_ik / r_i over items with an answer.
    """
    used = _or_identity(sums, weights)
    shares = _mean_shares(sums)
    return beyond_chance(percent_agreement(sums, used), _between(shares[..., :, None] * shares[..., None, :], used))


def conger_kappa(sums: Sums, weights: FloatArray | None = None) -> Coefficient:
    """Conger's kappa (Psychol Bull 88, 322, 1980): Cohen's for any number of raters.

    p_e = mean over pairs of raters g and h of sum_kl w_kl p_gk p_hl, with p_gk the share of category k among the
    answers of rater g. Raters without answers are left out.
    """
    used = _or_identity(sums, weights)
    n_given = sums.by_rater.sum(axis=-1)
    shares = np.nan_to_num(ratio(sums.by_rater, n_given[..., None]))
    total, n_raters = shares.sum(axis=-2), (n_given > 0).sum(axis=-1).astype(np.float64)
    # All pairs less those of a rater with themselves.
    together = _between(total[..., :, None] * total[..., None, :], used)
    alone = np.einsum("...gk,kl,...gl->...", shares, used, shares)
    return beyond_chance(percent_agreement(sums, used), ratio(together - alone, n_raters * (n_raters - 1)))


def brennan_prediger(sums: Sums, weights: FloatArray | None = None) -> Coefficient:
    """Brennan and Prediger's coefficient (Educ Psychol Meas 41, 687, 1981): p_e = sum_kl w_kl / q^2.

    With two categories the PABAK of Byrt, Bishop and Carlin.
    """
    used = _or_identity(sums, weights)
    observed = percent_agreement(sums, used)
    return beyond_chance(observed, np.full_like(observed, used.mean()))


def gwet_ac1(sums: Sums) -> Coefficient:
    """Gwet's AC1 (Br J Math Stat Psychol 61, 29, 2008): p_e = sum_k pi_k (1 - pi_k) / (q - 1).

    It does not collapse when nearly all items fall into one category, as kappa does; it is no substitute for
    kappa either. Raises AnalysisError unless there are two categories to choose from.
    """
    return gwet_ac2(sums, np.eye(sums.n_categories))


def gwet_ac2(sums: Sums, weights: FloatArray) -> Coefficient:
    """Gwet's AC2 (Handbook, chapter 3): AC1 with w_kl; p_e = sum_kl w_kl / (q (q - 1)) sum_k pi_k (1 - pi_k)."""
    q = sums.n_categories
    if q < 2:
        raise AnalysisError(f"AC1 and AC2 need at least 2 categories that could be chosen, not {q}; raise n_categories")
    shares = _mean_shares(sums)
    chance = weights.sum() / (q * (q - 1)) * (shares * (1 - shares)).sum(axis=-1)
    return beyond_chance(percent_agreement(sums, weights), chance)


def krippendorff_alpha(sums: Sums, *, ordinal: bool = False) -> Coefficient:
    """Krippendorff's alpha (Content Analysis, 2004, chapter 11), nominal or ordinal, over items with r_i >= 2.

    1 - D_o / D_e with o_kl the coincidences, n_k = sum_l o_kl, N = sum_k n_k, D_o = sum_kl o_kl d_kl / N and
    D_e = sum_kl (n_k n_l - [k = l] n_k) d_kl / (N (N - 1)). Nominal: d_kl = 1 unless k = l. Ordinal: d_kl the square of
    the number of answers from k to l, half of those in k and l, over the largest such square. `chance` is 1 - D_e.
    """
    per_category = sums.coincidences.sum(axis=-1)
    n_all = per_category.sum(axis=-1)
    distance = _ordinal_distance(per_category) if ordinal else 1 - np.eye(sums.n_categories)
    observed = ratio((sums.coincidences * distance).sum(axis=(-2, -1)), n_all)
    together = per_category[..., :, None] * per_category[..., None, :]
    expected = ratio((together * distance).sum(axis=(-2, -1)), n_all * (n_all - 1))
    return beyond_chance(1 - observed, 1 - expected)


def cohen_kappa(sums: Sums, weights: FloatArray | None = None) -> Coefficient:
    """Cohen's kappa (Educ Psychol Meas 20, 37, 1960) of two raters, over the items that both answered.

    p_e = sum_kl w_kl p_k. p_.l, the products of the two raters' own shares: Conger's for two raters without
    gaps, so answers without a counterpart have to be taken out first (`paired_codes`). Raises AnalysisError unless
    there are two raters.
    """
    n_raters = sums.by_rater.shape[-2]
    if n_raters != 2:
        raise AnalysisError(f"Cohen's kappa is for 2 raters, not {n_raters}; use fleiss_kappa or conger_kappa")
    return conger_kappa(sums, weights)


def beyond_chance(observed: FloatArray, chance: FloatArray) -> Coefficient:
    """(observed - chance) / (1 - chance), NaN where chance alone would agree."""
    is_defined = chance < 1 - NO_VARIATION
    value = np.where(is_defined, (observed - chance) / np.where(is_defined, 1 - chance, 1), np.nan)
    return Coefficient(value, chance)


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient, NaN where there is nothing below the line."""
    result: FloatArray = np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), np.nan)
    return result


def _between(pairs: FloatArray, weights: FloatArray) -> FloatArray:
    """sum_kl w_kl x_kl."""
    total: FloatArray = (pairs * weights).sum(axis=(-2, -1))
    return total


def _or_identity(sums: Sums, weights: FloatArray | None) -> FloatArray:
    return np.eye(sums.n_categories) if weights is None else weights


def _mean_shares(sums: Sums) -> FloatArray:
    return ratio(sums.shares, sums.n_answered[..., None])


def _ordinal_distance(per_category: FloatArray) -> FloatArray:
    """((n_k + ... + n_l) - (n_k + n_l) / 2)^2 for each pair of categories, over the largest of them."""
    middle = per_category.cumsum(axis=-1) - per_category / 2
    distance = (middle[..., :, None] - middle[..., None, :]) ** 2
    scaled: FloatArray = distance / np.maximum(distance.max(axis=(-2, -1), keepdims=True), NO_VARIATION)
    return scaled
