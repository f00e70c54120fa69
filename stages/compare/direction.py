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


def better(metric: str) -> str:
    """`higher` or `lower` for a key of metrics/test.json; empty for a count or for what depends on the data alone."""
    return DIRECTION.get(metric.partition("@")[0], "")
