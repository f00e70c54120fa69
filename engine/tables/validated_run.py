"""What a run that a git revision holds chose on validation, for one that learns from all and has none."""

import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from engine.tables.settings import sides

VALID = "metrics/valid.json"
OWN = re.compile(r"\btrain\.(patience|save|every|validated)$")  # say when to stop and what to keep


@dataclass(frozen=True)
class ValidatedRun:
    """params.yaml and metrics/valid.json of a git revision."""

    revision: str
    params: dict[str, Any]
    valid: dict[str, float]

    @property
    def best_epoch(self) -> dict[str, int]:
        """By phase that validation chose the end of; '' is the last one."""
        named = {key.removeprefix("best_epoch_"): int(n) for key, n in self.valid.items() if "best_epoch_" in key}
        return named | {"": int(self.valid["best_epoch"])}

    @property
    def plateaus(self) -> dict[str, list[int]]:
        """The epochs that ended one, by phase ('': it has no name): the rate fell after each."""
        found: dict[str, list[int]] = {}
        for key in (key for key in self.valid if key.startswith("plateau_")):
            phase = key.removeprefix("plateau").rpartition("_")[0].removeprefix("_")
            found.setdefault(phase, []).append(int(self.valid[key]))
        return found

    @property
    def chosen(self) -> dict[str, float]:
        """The settings of a model that is solved for."""
        return {key.removeprefix("chosen_"): value for key, value in self.valid.items() if key.startswith("chosen_")}

    def refuse_other(self, dataset: str, model: str, section: dict[str, Any], train: dict[str, Any]) -> None:
        """It must have learned what is asked now.

        Raises:
            ValueError: it was of other data, another model or other settings; each with both sides.
        """
        found = [
            ("dataset", self.params.get("dataset"), dataset),
            ("model", self.params.get("model"), model),
            *sides("train", self.params.get("train", {}), train),
            *sides(f"models.{model}", self.params.get("models", {}).get(model, {}), section),
        ]
        unequal = [one for one in found if one[1] != one[2] and not OWN.search(one[0])]
        other = [f"{name} is {there!r} there and {here!r} here" for name, there, here in unequal]
        if other:
            raise ValueError(f"train.validated: {self.revision} did not learn what is asked here: {'; '.join(other)}")


def read(revision: str) -> ValidatedRun:
    """What git holds of it.

    Raises:
        ValueError: no such revision, or none that was trained and committed, or it validated by nothing; says so.
    """
    params = YAML(typ="safe").load(_shown(revision, "params.yaml"))
    valid = json.loads(_shown(revision, VALID))
    if not valid.get("valid_cases") and "valid_rmse" not in valid:
        raise ValueError(f"{revision}: its {VALID} knows no validation case; name a run of a protocol that validates")
    return ValidatedRun(revision, params, valid)


def _shown(revision: str, path: str) -> str:
    found = subprocess.run(["git", "show", f"{revision}:./{path}"], capture_output=True, text=True)
    if found.returncode:
        raise ValueError(
            f"train.validated: git has no {path} of {revision!r} ({found.stderr.strip().splitlines()[-1]}); name a "
            "branch, tag or commit that holds a run that was validated (`git commit` its metrics first)"
        )
    return found.stdout
