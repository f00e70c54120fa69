"""params.yaml as DVC reads it (YAML 1.2), cut to what dvc.yaml declares for a stage."""

import re
import reprlib
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from engine.tables.lacking import Lacking
from engine.tables.settings import Choice


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML 1.2 file in UTF-8, so that 1e-3 is a number."""
    try:
        found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not in UTF-8: {error.reason} at byte {error.start:,}; save it so") from None
    except YAMLError as error:
        raise ValueError(f"{path} does not parse: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected sections, found {type(found).__name__}")
    return found


def lookup(params: dict[str, Any], key: str) -> Any:
    """The value at a dotted key.

    Raises:
        KeyError: names the part that is not there and what is.
    """
    found: Any = params
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            there = sorted(found) if isinstance(found, dict) else reprlib.repr(found)
            raise KeyError(f"params.yaml has no {part!r} in {key!r}; it has {there}")
        found = found[part]
    return found


def override(params: dict[str, Any], assignment: str) -> None:
    """Set `key.to.value=5` in place, by the signs of DVC's -S: the key must be there already, with a plus before it
    it must not be, and two pluses set it either way.

    Raises:
        KeyError: the key is not there, or with a plus it is; says which sign would do. Or what should hold it holds
            no keys.
        ValueError: no assignment.
    """
    named, equals, text = assignment.partition("=")
    key = named.lstrip("+")
    plus = len(named) - len(key)
    if not equals or plus > 2:
        raise ValueError(f"{assignment!r}: an override is written key=value, e.g. models.sasrec.dim=32")
    *parents, last = key.split(".")
    place = params
    for depth, parent in enumerate(parents):
        if plus and depth:
            place.setdefault(parent, {})
        place = lookup(place, parent)
        if not isinstance(place, dict):
            held = ".".join(parents[: depth + 1])
            raise KeyError(f"params.yaml: {held} is {reprlib.repr(place)} and has no keys; {held}=… sets it whole")
    if not plus and last not in place:
        raise KeyError(f"params.yaml has no {last!r} in {key!r}; it has {sorted(place)}. +{key}=… adds a default")
    if plus == 1 and last in place:
        raise KeyError(f"params.yaml has {key!r} already; without the plus it is changed")
    place[last] = _value(text)


def _value(text: str) -> Any:
    """What a value means in YAML; signs alone (`|`, as separators are), and what is no YAML, mean themselves."""
    quoted = text.startswith(("'", '"', "[", "{"))
    if quoted or (any(map(str.isalnum, text)) and not re.search(r"(^|\s)#", text)):  # YAML would drop a remark
        try:
            return YAML(typ="safe").load(text)
        except YAMLError:
            pass
    return text


def expanded(word: str, params: dict[str, Any]) -> list[str]:
    """The overrides that a word of a command stands for: itself, or with `@FILE` those that `stages.tune` noted there
    for the data set, protocol and model that are chosen so far.

    Raises:
        Lacking: the file has none for these; says what would make them.
        ValueError: it is no file of what was found.
    """
    if not word.startswith("@"):
        return [word]
    path, chosen = Path(word[1:]), [str(params.get(name)) for name in ("dataset", "protocol", "model")]
    found: Any = read_yaml(path) if path.exists() else {}
    for depth, name in enumerate(chosen):
        found = found.get(name) or {}
        if not isinstance(found, dict):
            place = ".".join(chosen[: depth + 1])
            raise ValueError(f"{path}: {place} is {reprlib.repr(found)}: this is no file that stages.tune wrote")
    if "settings" not in found:
        data, protocol, model = chosen
        raise Lacking(
            f"{path}: nothing for {data}, {protocol}, {model}; "
            f"`python -m stages.tune data/{data} --protocol {protocol} --models {model}` searches it"
        )
    return str(found["settings"]).split()


def declared(stage: str, params: dict[str, Any], pipeline: dict[str, Any]) -> dict[str, Any]:
    """What dvc.yaml lets `stage` read: scalars and sections by their last fixed name.

    `datasets.${dataset}` arrives as `dataset: Choice`, `datasets.${dataset}.crawl` as `crawl`; a stage that depends
    on params.yaml itself gets it whole, as `params`.
    """
    if stage not in pipeline["stages"]:
        raise KeyError(f"dvc.yaml has no stage {stage!r}; it has {sorted(pipeline['stages'])}")
    found: dict[str, Any] = {"params": params} if "params.yaml" in pipeline["stages"][stage].get("deps", []) else {}
    for name, key in places(stage, params, pipeline).items():
        value = lookup(params, key)
        chosen = key == f"{name}s.{params.get(name)}"
        if chosen and not isinstance(value, dict):
            raise ValueError(f"params.yaml: {key} is {reprlib.repr(value)}, expected a section")
        found[name] = Choice(name=key.rsplit(".", 1)[1], settings=value) if chosen else value
    return found


def places(stage: str, params: dict[str, Any], pipeline: dict[str, Any]) -> dict[str, str]:
    """Where in params.yaml each thing stands that dvc.yaml lets `stage` read, by the name under which it arrives."""
    found = {}
    for entry in pipeline["stages"][stage].get("params", []):
        chosen = re.fullmatch(r"\w+\.\$\{(\w+)\}", entry)
        key = re.sub(r"\$\{(\w+)\}", lambda m: str(lookup(params, m[1])), entry)
        found[chosen[1] if chosen else key.rsplit(".", 1)[-1]] = key
    return found
