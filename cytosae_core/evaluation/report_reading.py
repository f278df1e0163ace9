"""The report's last section: what its numbers are, and what they are not."""

from collections.abc import Mapping

import pandas as pd

from cytosae_core.study.protocol import Study

Tables = Mapping[str, pd.DataFrame]

_LINES = (
    "Only main items and each rater's latest answers count; repeats, decoys and training items never enter the main "
    "estimates.",
    "Consensus is the answer of more than half of the raters who answered an item, two at least; missing answers are "
    "no votes. Items on which the raters do not agree have none, and stay below the line of every share.",
    "'All judged' counts every answer, artefact and cannot judge included; 'yes or no only' leaves these two out.",
    "Shares weighted by cluster are ratios of weighted sums, so an artefact takes nothing from the other answers of "
    "its cluster. Their intervals, and those of plain shares, come from a Bayesian bootstrap over items within "
    "clusters, with a prior of one yes and one no; they are narrower where much of a cluster was judged.",
    "Intervals of agreement come from the same bootstrap, with a prior of two items: one on which all raters agree on "
    "some answer, one on which they answer at random. Where all pairs agree, the width is that of the prior. An "
    "interval over items speaks for these raters and other items; one over raters and items also for other raters "
    "like these, and needs three of them.",
    "Kappa falls when nearly all answers are the same, however well raters agree; read it beside the percent "
    "agreement. With some 50 items its interval is wide. Every answer, cannot judge included, is a category.",
    "There is no right answer for a concept: agreement is not accuracy.",
)


def how_to_read(study: Study, tables: Tables) -> str:
    """What the numbers are and what they are not."""
    return "\n".join(f"- {line}" for line in _LINES)
