"""What dvc.lock recorded of a run: what it was of, and whether params.yaml still says so."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.tables.params import lookup
from engine.tables.settings import sides

PARAMS = "params.yaml"
SECTIONS = {"protocol": r"protocols\.(\w+)(\..*)?", "model": r"models\.(\w+)"}  # of which a stage's params name one


def chosen(stage: dict[str, Any], ranks: str, params: dict[str, Any]) -> dict[str, str]:
    """Dataset, protocol and model of a stage's ranks; of params.yaml where the lock does not name one."""
    recorded = stage.get("params", {}).get(PARAMS, {})
    found = {"dataset": Path(ranks).parents[1].name}
    for name, section in SECTIONS.items():
        named = [match[1] for key in recorded if (match := re.fullmatch(section, key))]
        found[name] = str(named[0] if named else recorded.get(name, params.get(name, "?")))
    return found


def changed(stages: dict[str, Any], name: str, ranks: str, params: dict[str, Any]) -> list[str]:
    """What of params.yaml is not as it was when the stage `name` and those before it ran, each with both sides."""
    ran = chosen(stages[name], ranks, params)
    found = [(key, value, str(params[key])) for key, value in ran.items() if key in params]
    for stage in _upstream(stages, name):
        for key, there in stages[stage].get("params", {}).get(PARAMS, {}).items():
            if key not in ran:
                found += sides(key, there, _value(params, key))
    unequal = {place: (there, here) for place, there, here in found if there != here}
    return [f"{place} was {there!r} and is {here!r}" for place, (there, here) in unequal.items()]


def _upstream(stages: dict[str, Any], name: str) -> Iterator[str]:
    """A stage and all that made what it read."""
    made_by = {out["path"]: stage for stage, of in stages.items() for out in of.get("outs", [])}
    waiting, seen = [name], {name}
    while waiting:
        yield (stage := waiting.pop())
        before = {made_by[dep["path"]] for dep in stages[stage].get("deps", []) if dep["path"] in made_by} - seen
        waiting += sorted(before)
        seen |= before


def _value(params: dict[str, Any], key: str) -> Any:
    try:
        return lookup(params, key)
    except KeyError:
        return None
