"""Every statistic of agreement on one question, all from the same resamples: arrays in, estimates out."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cytosae_core.evaluation import agreement
from cytosae_core.evaluation.agreement import Coefficient
from cytosae_core.evaluation.bootstrap import N_RESAMPLES, Columns, Design, Estimates, estimate, weigh
from cytosae_core.evaluation.crossed import crossed_limits
from cytosae_core.evaluation.pairs import pair_agreement, pair_columns, pair_prior_columns, rater_pairs
from cytosae_core.evaluation.scales import Scale, category_weights
from cytosae_core.evaluation.tally import FloatArray, IntArray, Sums, item_columns, prior_columns, unpack

PAIR_STATISTICS = ("percent", "cohen_kappa")


@dataclass(frozen=True)
class Rated:
    """The answers to one question, items without any answer left out."""

    codes: IntArray
    """(n_items, n_raters), -1 for no answer"""
    n_categories: int
    plan: Design
    weights: Mapping[str, FloatArray]
    """(n_items,) by weighting: "plain", and "cluster_weighted" where items were sampled from clusters."""
    is_ordinal: bool = False


@dataclass(frozen=True)
class AgreementRow:
    """One estimate with its intervals."""

    raters: tuple[int, int] | None
    """The pair; None: all raters."""
    statistic: str
    category: int | None
    """The answer that the statistic is about; None: all of them."""
    weighting: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    chance: float = math.nan
    """Agreement by chance; NaN where the statistic is not corrected for it."""
    crossed_low: float = math.nan
    crossed_high: float = math.nan
    """Over raters and items together; NaN for pairs, and for fewer than three raters."""
    undefined_share: float = math.nan
    n_items: int = 0
    """Items with at least two of these raters' answers."""


@dataclass(frozen=True)
class Statistic:
    """A statistic among all raters."""

    name: str
    of: Callable[[Sums], Coefficient]
    category: int | None = None


def agreement_rows(rated: Rated, *, n_resamples: int = N_RESAMPLES, seed: int) -> list[AgreementRow]:
    """Statistics among all raters and, unless the answers are ordered, of each pair; each way of weighting."""
    blocks: list[_Block] = [_Everyone(rated, name) for name in rated.weights]
    if not rated.is_ordinal:
        blocks += [_Pairs(rated, name) for name in rated.weights]
    columns = Columns(
        np.concatenate([block.columns.items for block in blocks], axis=1),
        np.concatenate([block.columns.prior for block in blocks], axis=1),
        blocks[0].columns.strength,
    )
    ends = np.cumsum([block.columns.items.shape[1] for block in blocks])[:-1]

    def values(sums: FloatArray) -> FloatArray:
        parts = np.split(sums, ends, axis=-1)
        return np.concatenate([block.values(part) for block, part in zip(blocks, parts, strict=True)], axis=-1)

    found = estimate(values, columns, rated.plan, n_resamples=n_resamples, seed=seed)
    sizes = np.cumsum([block.values(block.columns.items.sum(axis=0)).shape[-1] for block in blocks])[:-1]
    split = [np.split(array, sizes) for array in vars(found).values()]
    return [row for block, *arrays in zip(blocks, *split, strict=True) for row in block.rows(Estimates(*arrays))]


def statistics_of(n_categories: int, *, is_ordinal: bool) -> tuple[Statistic, ...]:
    """The statistics among all raters: for ordered answers, those that know the order."""
    if is_ordinal:
        return (
            Statistic("percent", _percent),
            Statistic("gwet_ac2_linear", _ac2("linear", n_categories)),
            Statistic("gwet_ac2_quadratic", _ac2("quadratic", n_categories)),
            Statistic("krippendorff_alpha_ordinal", lambda sums: agreement.krippendorff_alpha(sums, ordinal=True)),
        )
    return (
        Statistic("percent", _percent),
        *(Statistic("specific_agreement", _specific(code), code) for code in range(n_categories)),
        Statistic("fleiss_kappa", agreement.fleiss_kappa),
        Statistic("conger_kappa", agreement.conger_kappa),
        Statistic("krippendorff_alpha", agreement.krippendorff_alpha),
        Statistic("brennan_prediger", agreement.brennan_prediger),
        Statistic("gwet_ac1", agreement.gwet_ac1),
    )


def prior_strength(n_categories: int) -> FloatArray:
    """One item on which all raters give one answer, whichever; one on which they answer at random."""
    return np.append(np.full(n_categories, 1 / n_categories), 1.0)


class _Block(Protocol):
    """Some statistics with the columns that they need."""

    columns: Columns

    def values(self, sums: FloatArray) -> FloatArray: ...

    def rows(self, found: Estimates) -> list[AgreementRow]: ...


class _Everyone:
    """The statistics among all raters, in one way of weighting."""

    def __init__(self, rated: Rated, weighting: str) -> None:
        self._rated, self._weighting = rated, weighting
        self._statistics = statistics_of(rated.n_categories, is_ordinal=rated.is_ordinal)
        self._size = rated.codes.shape[1], rated.n_categories
        prior = prior_columns(*self._size)
        items, weights = item_columns(rated.codes, rated.n_categories), rated.weights[weighting]
        self.columns = weigh(items, weights, prior, prior_strength(rated.n_categories), rated.plan)

    def values(self, sums: FloatArray) -> FloatArray:
        """(..., n_statistics)"""
        return self._of(unpack(sums, *self._size))

    def _of(self, sums: Sums) -> FloatArray:
        return np.stack([statistic.of(sums).value for statistic in self._statistics], axis=-1)

    def rows(self, found: Estimates) -> list[AgreementRow]:
        """One for each statistic."""
        rated, weights = self._rated, self._rated.weights[self._weighting]
        scaled = weights / weights.mean()
        limits = crossed_limits(rated.codes, rated.n_categories, scaled, rated.plan, self._of, found)
        sums = unpack(self.columns.items.sum(axis=0), *self._size)
        n_items = int(((rated.codes >= 0).sum(axis=1) >= 2).sum())
        return [
            AgreementRow(
                raters=None,
                statistic=statistic.name,
                category=statistic.category,
                weighting=self._weighting,
                value=float(found.value[place]),
                low=float(found.low[place]),
                high=float(found.high[place]),
                chance=float(statistic.of(sums).chance),
                crossed_low=float(limits[0][place]),
                crossed_high=float(limits[1][place]),
                undefined_share=float(found.undefined_share[place]),
                n_items=n_items,
            )
            for place, statistic in enumerate(self._statistics)
        ]


class _Pairs:
    """Percent agreement and Cohen's kappa of each pair of raters, in one way of weighting."""

    def __init__(self, rated: Rated, weighting: str) -> None:
        self._rated, self._weighting = rated, weighting
        self._pairs = rater_pairs(rated.codes.shape[1])
        items, weights = pair_columns(rated.codes, rated.n_categories), rated.weights[weighting]
        prior = pair_prior_columns(len(self._pairs), rated.n_categories)
        self.columns = weigh(items, weights, prior, prior_strength(rated.n_categories), rated.plan)

    def values(self, sums: FloatArray) -> FloatArray:
        """(..., 2 n_pairs): first all of percent agreement, then all of kappa."""
        percent, kappa = pair_agreement(sums, self._rated.n_categories)
        return np.concatenate([percent, kappa.value], axis=-1)

    def rows(self, found: Estimates) -> list[AgreementRow]:
        """Two for each pair."""
        _, kappa = pair_agreement(self.columns.items.sum(axis=0), self._rated.n_categories)
        rows = []
        for index, pair in enumerate(self._pairs):
            n_items = int((self._rated.codes[:, pair] >= 0).all(axis=1).sum())
            for number, name in enumerate(PAIR_STATISTICS):
                place = index + number * len(self._pairs)
                rows.append(
                    AgreementRow(
                        raters=(int(pair[0]), int(pair[1])),
                        statistic=name,
                        category=None,
                        weighting=self._weighting,
                        value=float(found.value[place]),
                        low=float(found.low[place]),
                        high=float(found.high[place]),
                        chance=float(kappa.chance[index]) if name == "cohen_kappa" else math.nan,
                        undefined_share=float(found.undefined_share[place]),
                        n_items=n_items,
                    )
                )
        return rows


def _without_chance(value: FloatArray) -> Coefficient:
    return Coefficient(value, np.full_like(value, np.nan))


def _percent(sums: Sums) -> Coefficient:
    return _without_chance(agreement.percent_agreement(sums))


def _specific(category: int) -> Callable[[Sums], Coefficient]:
    return lambda sums: _without_chance(agreement.specific_agreement(sums, category))


def _ac2(scale: Scale, n_categories: int) -> Callable[[Sums], Coefficient]:
    weights = category_weights(scale, n_categories)
    return lambda sums: agreement.gwet_ac2(sums, weights)
