"""One rule of stopping for all rows of a table: a budget of its own would make a row another one's better."""

import argparse
from typing import Any


def flags(parser: argparse.ArgumentParser) -> None:
    """The rule's numbers, which the command may set for all rows at once."""
    parser.add_argument("--epochs", type=int, default=300, help="at most")
    parser.add_argument("--patience", type=int, default=20, help="validations without a gain that end a run")
    parser.add_argument("--average", type=float, default=0.1, help="share of the steps whose weights are averaged")


def stopping(model: str, given: argparse.Namespace, section: dict[str, Any]) -> list[str]:
    """The one rule, as settings of a model that learns by epochs."""
    rule = {"epochs": given.epochs, "patience": given.patience, "decay": "none", "average": given.average}
    return [f"++models.{model}.train.{key}={value}" for key, value in rule.items()] if "train" in section else []
