"""Whether a metric is better when higher or lower."""

from typing import Literal

DIRECTION: dict[str, Literal["higher", "lower"]] = {
    "recall": "higher",
    "hr": "higher",
    "ndcg": "higher",
    "mrr": "higher",
    "auc": "higher",
    "rmse": "lower",
    "mae": "lower",
    "rmse_warm": "lower",
    "rmse_cold": "lower",
}
# of what erasing by a ranking does, by section and name of metrics/explain.json and metrics/claims.json
OF_REASONS: dict[str, Literal["higher", "lower"]] = {
    "agreement": "higher",
    "drop.heaviest": "higher",
    "drop.leave_one_out": "higher",
    "drop.word_heaviest": "higher",
    "drop.region_heaviest": "higher",
    "drop.word_gradient": "higher",
    "drop.region_gradient": "higher",
    "drop.word_integrated": "higher",
    "drop.region_integrated": "higher",
    "drop.lightest": "lower",
    "drop.word_lightest": "lower",
    "drop.region_lightest": "lower",
    "drop.keep_heaviest": "lower",
    "rank.heaviest": "higher",
    "rank.keep_heaviest": "lower",
    "comprehensiveness": "higher",
    "sufficiency": "lower",
    "rank": "higher",
    "necessity": "higher",
    "sufficiency_of_few": "higher",
    "deciding": "lower",
    "silenced": "higher",
    "another": "higher",
    "others_in_the_mean": "higher",
    "mean_item": "higher",
    "heaviest_one": "higher",
    "lightest_one": "lower",
    "redrawn": "lower",
    "nearby": "higher",
    "says_nothing": "lower",
}


def better(metric: str) -> str:
    """`higher` or `lower` for a key of metrics/test.json, or a dotted one of metrics/explain.json and claims.json; else
    empty: for a count, for what depends on the data alone.
    """
    section, *names = metric.split(".")
    if section == "truth" and len(names) == 2 and names[1] not in ("chance", "newest", "cases"):
        return "higher"
    if section in ("acts", "words", "regions", "item_words", "item_regions") and len(names) == 2:
        measure = names[1]
        if measure.startswith(("gone_", "kept_")):
            return "higher" if measure.startswith("gone_") else "lower"
        return OF_REASONS.get(measure, "")
    return DIRECTION.get(metric.partition("@")[0], "") or OF_REASONS.get(metric, "")
