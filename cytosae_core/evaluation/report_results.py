"""The report's estimates: every one with its uncertainty and its denominator."""

import math
from collections.abc import Mapping

import pandas as pd

from cytosae_core import markdown
from cytosae_core.evaluation.consensus import CONSENSUS
from cytosae_core.study.protocol import Study

Tables = Mapping[str, pd.DataFrame]

_NOTHING = "Nothing has been judged yet."
_DENOMINATORS = {"judged": "all judged", "yes_or_no": "yes or no only"}
_WEIGHTINGS = {"plain": "plain", "cluster_weighted": "weighted by cluster"}
_STATISTICS = {
    "percent": "percent agreement",
    "specific_agreement": "specific agreement",
    "cohen_kappa": "Cohen's kappa",
    "fleiss_kappa": "Fleiss' kappa",
    "conger_kappa": "Conger's kappa",
    "brennan_prediger": "Brennan-Prediger",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2_linear": "Gwet's AC2, linear weights",
    "gwet_ac2_quadratic": "Gwet's AC2, quadratic weights",
    "krippendorff_alpha": "Krippendorff's alpha",
    "krippendorff_alpha_ordinal": "Krippendorff's alpha, ordinal",
}


def meaningful(study: Study, tables: Tables) -> str:
    """Share of latents judged to be a meaningful concept."""
    shares = tables["shares"]
    if shares.empty or not shares["n"].any():
        return _NOTHING
    shown = pd.DataFrame(
        {
            "Rater": shares["rater_code"],
            "Denominator": shares["denominator"].map(_DENOMINATORS),
            "Weighting": shares["weighting"].map(_WEIGHTINGS),
            "Yes": [f"{row.n_yes} of {row.n}" for row in shares.itertuples()],
            "Share (95 %)": _intervals(shares),
            "Population covered": [markdown.percent(share) for share in shares["coverage"]],
        }
    )
    return (
        "The plain share speaks for latents from the clusters in the parts in which they were sampled. The share "
        f"weighted by cluster speaks for all eligible high-activation latents.\n\n{markdown.table(shown)}"
    )


def disease(study: Study, tables: Tables) -> str:
    """The paper's sentence for each rater and the consensus, and the blind choice."""
    counts = tables["disease"]
    if counts.empty:
        return "The study has no disease task."
    if not counts["n_judged"].any():
        return _NOTHING
    specific = counts[counts["measure"] == "specific"]
    sentences = [
        _sentence(rater, direction, rows)
        for rater in specific["rater_code"].unique()
        for direction in specific["direction"].unique()
        for rows in [specific[(specific["rater_code"] == rater) & (specific["direction"] == direction)]]
    ]
    blind = counts[(counts["measure"] == "blind_correct") & (counts["n_judged"] > 0)]
    shown = pd.DataFrame(
        {
            "Rater": blind["rater_code"],
            "Stronger in": blind["direction"],
            "Ranks": [f"1 to {top}" for top in blind["top"]],
            "Correct": [f"{row.n_yes} of {row.n_judged}" for row in blind.itertuples()],
            "Share (95 %)": _intervals(blind),
        }
    )
    blind_lead = "Chosen before the direction was shown, the group is the one in which the latent is stronger:"
    return "\n".join([*sentences, "", blind_lead, "", markdown.table(shown)])


def _sentence(rater: str, direction: str, rows: pd.DataFrame) -> str:
    """`<rater>: x of the top 10 and y of the top 50 ... judged <direction>-specific`, with what was not judged."""
    if not rows["n_judged"].any():
        nothing = "no two raters have judged one" if rater == CONSENSUS else "nothing judged yet"
        return f"- {markdown.safe(rater)}: {nothing} of the latents stronger in {markdown.safe(direction)}."
    parts = [
        f"{row['n_yes']} of the top {row['top']}"
        + ("" if row["n_judged"] == row["top"] else f" ({row['n_shown']} shown, {row['n_judged']} judged)")
        for row in rows.sort_values("top").to_dict("records")
    ]
    last = rows.sort_values("top").iloc[-1]
    share = markdown.percent_interval(last["share"], last["low"], last["high"])
    return (
        f"- {markdown.safe(rater)}: {' and '.join(parts)} differential latents stronger in {markdown.safe(direction)} "
        f"were judged {markdown.safe(direction)}-specific; of the top {last['top']}: {share}."
    )


def agreement(study: Study, tables: Tables) -> str:
    """Every statistic of agreement, question by question."""
    table = tables["agreement"]
    estimated = table[table["n_items"] > 0]
    if estimated.empty:
        return "No item was answered by two raters, so there is no agreement to estimate."
    shown = pd.DataFrame(
        {
            "Question": estimated["question_id"],
            "Raters": estimated["raters"],
            "Statistic": [
                _STATISTICS[row["statistic"]] + (f": {row['answer']}" if row["answer"] else "")
                for row in estimated.to_dict("records")
            ],
            "Weighting": estimated["weighting"].map(_WEIGHTINGS),
            "Estimate (95 %, over items)": [
                markdown.number_interval(row["value"], row["low"], row["high"]) for row in estimated.to_dict("records")
            ],
            "95 %, over raters and items": [
                "" if math.isnan(row["crossed_low"]) else f"{row['crossed_low']:.2f} to {row['crossed_high']:.2f}"
                for row in estimated.to_dict("records")
            ],
            "By chance": ["" if math.isnan(chance) else f"{chance:.2f}" for chance in estimated["chance"]],
            "Items": estimated["n_items"],
            "Undefined resamples": [markdown.percent(share) for share in estimated["undefined_share"]],
            "Note": estimated["note"],
        }
    )
    return markdown.table(shown)


def controls(study: Study, tables: Tables) -> str:
    """Hidden repeats and decoys, for each rater."""
    roles = {item.role for item in study.items}
    if not roles & {"repeat", "decoy"}:
        return "The study has no hidden repeats and no decoys."
    judged = tables["controls"][tables["controls"]["n"] > 0]
    if judged.empty:
        return "No control has been judged yet."
    meaning = {"repeat": "same answer again", "decoy": "decoy called meaningful"}
    shown = pd.DataFrame(
        {
            "Control": judged["control"].map(meaning),
            "Question": judged["question_id"],
            "Rater": judged["rater_code"],
            "Count": [f"{row.n_yes} of {row.n}" for row in judged.itertuples()],
            "Share (95 %)": _intervals(judged),
        }
    )
    return markdown.table(shown)


def _intervals(rows: pd.DataFrame) -> list[str]:
    return [markdown.percent_interval(row["share"], row["low"], row["high"]) for row in rows.to_dict("records")]
