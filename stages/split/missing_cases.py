"""Why a protocol leaves no case to validate or to test, and which setting gives some."""

import logging
import math

import polars as pl

from stages.split.settings import ROUNDING, Everything, GlobalTime, Protocol, Temporal

log = logging.getLogger(__name__)


def explain(split: pl.DataFrame, cases: pl.DataFrame, protocol: Protocol, where: str) -> dict[str, str]:
    """What the split's metadata note: `no_valid_cases` and `no_test_cases`, and why; a warning says the first too.

    Raises:
        ValueError: there is no test case, so there is nothing to measure.
    """
    if isinstance(protocol, Everything):
        nothing = f"{where} learns from all events"
        return {"no_valid_cases": f"{nothing}; name the run that chose the epochs: +train.validated=REVISION"} | {
            "no_test_cases": f"{nothing} and leaves none to test; the run that chose its epochs is tested"
        }
    why = {part: _why(split, cases, protocol, where, part) for part in ("valid", "test")}
    if why["test"]:
        raise ValueError(f"{where}: no test case: {why['test']}")
    if not why["valid"]:
        return {}
    log.warning(
        "%s: no validation case: %s. A model that is selected by validation cannot be trained", where, why["valid"]
    )
    return {"no_valid_cases": why["valid"]}


def _why(split: pl.DataFrame, cases: pl.DataFrame, protocol: Protocol, where: str, part: str) -> str:
    """The cause where `part` has no case, else ''; a warning where most of its events are none."""
    events, count = split.filter(pl.col("part") == part).height, cases.filter(pl.col("part") == part).height
    repeats = (
        f"{events - count} of {events} {part} events are of items that the person has had before, "
        f"and seen: excluded makes no case of them; {where}.seen=kept does"
    )
    if events and not count:
        return repeats
    if events > 2 * count:
        log.warning("%s: %s", where, repeats)
    if isinstance(protocol, Temporal) and part == "valid" and protocol.valid:
        return _short(split, protocol, where) if not events else ""
    if events:
        return ""
    if isinstance(protocol, Temporal | GlobalTime) and part == "valid":
        return f"{where}.valid is 0"
    longest = int(split.group_by("user").len()["len"].max())  # type: ignore[arg-type]
    needed = 2 if isinstance(protocol, Temporal) else 3
    return f"a history needs {needed} events for one, and the longest has {longest}"


def _short(split: pl.DataFrame, protocol: Temporal, where: str) -> str:
    """Histories of which the train part is too short for a share of it to be one event."""
    longest = int(split.group_by("user").len()["len"].max())  # type: ignore[arg-type]
    trained = max(math.floor(longest * (protocol.train + ROUNDING)), 1)
    said = f"the longest history has {longest} events; {protocol.valid} of the {trained} that train is less than one"
    if trained < 2:
        return f"{said}; no valid share would leave one to train"
    middle = split.filter(pl.col("part") == "train").group_by("user").len().filter(pl.col("len") > 1)["len"].median()
    share = math.ceil(100 / float(middle or trained)) / 100  # type: ignore[arg-type]
    return f"{said}; {where}.valid={share} gives half of the people one"
