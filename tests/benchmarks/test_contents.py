"""Do contents help: rates chosen on validation for all rows alike, capped rows in no test, rare items apart."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import contents
from benchmarks.contents import RIVALS, SYSTEMS
from engine.tables.lacking import Lacking
from engine.tables.params import read_yaml

ROOT = Path(__file__).parents[2]
CASES = 400
COST = {"an_epoch": 0.5, "minutes": 1.0, "gib": 0.25, "parameters": 1234, "best": 7}
FORMS = SYSTEMS["mahn"]


def row(place: int, valid: float = 0.1, capped: bool = False, epochs: int = 15) -> dict[str, Any]:
    """Every second case's target stands at `place`, the others far behind."""
    places = [place if case % 2 else 500 for case in range(CASES)]
    return COST | {"place": places, "valid": valid, "capped": capped, "epochs": epochs}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What is trained, with the settings it is given; the whole learns best at three times its rate."""
    found: list[tuple[str, dict[str, Any]]] = []

    def measured(name: str, params: dict[str, Any], *_: object) -> dict[str, Any]:
        model = name.partition("@")[0].partition(":")[0]
        train = params["models"][model].get("train", {})
        found.append((name, train))
        if name == FORMS["whole"]:
            return row(1, valid=0.3) if train["lr"] > 0.005 else row(5, valid=0.2)
        if name == "ease":
            return row(2, epochs=1)
        if name == "nais":
            raise Lacking("no view 'image'")
        return row(3, capped=name == FORMS["shuffled"])

    monkeypatch.setattr(contents, "measured", measured)
    monkeypatch.setattr(contents, "rare", lambda given: np.arange(CASES) % 4 == 1)
    return found


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["contents", "x", "--systems", "mahn", *words])
    contents.main()
    return capsys.readouterr().out.splitlines()


def test_rows_are_chosen_by_validation_and_a_capped_one_proves_nothing(
    tmp_path: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--rivals", "ease", "sasrec", "bpr_mf", "nais", "--rates", "1", "3", "--keep", str(tmp_path))
    lines = told(monkeypatch, capsys, *words)
    assert lines[0] == "400 cases, 100 of them rare"
    table = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:] for line in lines if line.startswith("|")}
    half = 0.5 / np.log2(2)
    assert table["mahn"][:4] == ["0.5000", f"{half:.4f}", "1.0000", "1.0000"], "by validation the faster rate"
    assert table["mahn"][5] == "3"
    assert table[f"{FORMS['shuffled']} †"][4] == "15 (7)"
    assert table["ease"][4:6] == ["1 (7)", ""], "a solver has no rate"
    assert table["nais"][0] == "no view 'image'"
    claims = [line.split(" | ")[0] for line in lines if line.startswith("| mahn: ")]
    assert claims == ["| mahn: without views", "| mahn: sasrec", "| mahn: ease", "| mahn: bpr_mf"]
    assert table["mahn: sasrec"][0] == f"{0.5 - 0.25:+.4f}"
    assert table["mahn: sasrec"][6] == f"{1 - 0.5:+.4f}", "rare ones are the well-placed half alone"
    p, by_holm = (float(table["mahn: sasrec"][place]) for place in (4, 5))
    assert by_holm >= p
    assert sum(name == "ease" for name, _ in asked) == 1, "a solver has no rate"


def test_each_seed_trains_and_what_is_tested_is_the_mean_of_a_case_over_the_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {1: (1, 3), 2: (3, 1), 5: (1, 1)}  # of the whole, and of all others, in each seed

    def measured(name: str, params: dict[str, Any], *_: object) -> dict[str, Any]:
        if name == "nais":
            raise Lacking("no view 'image'")
        seed = params["seed"]
        return row(places[seed][name != FORMS["whole"]], capped=name == "sasrec" and seed == 5, epochs=10 + seed)

    monkeypatch.setattr(contents, "measured", measured)
    monkeypatch.setattr(contents, "rare", lambda given: np.arange(CASES) % 4 == 1)
    words = ("--rivals", "ease", "sasrec", "nais", "--seeds", "1", "2", "5", "--keep", str(tmp_path))
    lines = told(monkeypatch, capsys, *words)
    table = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:] for line in lines if line.startswith("|")}
    first, third = 0.5, 0.25  # NDCG of half the cases at places 1 and 3
    mean, apart = (2 * first + third) / 3, np.std([first, third, first], ddof=1)
    assert table["mahn"][:2] == ["0.5000 ± 0.0000", f"{mean:.4f} ± {apart:.4f}"]
    assert table["mahn"][4] == "11 (7), 12 (7), 15 (7)"
    assert table["nais"][0] == "no view 'image'"
    assert table["mahn: ease"][:2] == ["+0.0000", "+0.2500 -0.2500 +0.0000"]
    assert table["mahn: ease"][4] == "1.0e+00", "what one seed gives and another takes is nothing"
    assert "sasrec †" in table, "capped in one seed"
    assert "mahn: sasrec" not in table, "capped in one seed"


def test_all_that_learn_go_by_one_rule(
    tmp_path: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told(monkeypatch, capsys, "--patience", "9", "--epochs", "77", "--rivals", *RIVALS, "--keep", str(tmp_path))
    rules = {(train["epochs"], train["patience"], train["decay"], train["average"]) for _, train in asked if train}
    assert rules == {(77, 9, "none", 0.1)}
    own = read_yaml(ROOT / "params.yaml")["models"]["mahn"]["train"]["lr"]
    assert {train["lr"] for name, train in asked if name == FORMS["whole"]} == {own}


@pytest.mark.parametrize("forms", SYSTEMS.values(), ids=SYSTEMS)
def test_every_form_says_a_setting_that_its_model_has(
    forms: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (tmp_path / "data").mkdir()
    given = Namespace(
        dataset="x", protocol="leave_one_out", epochs=2, patience=1, average=0.1, overrides=[], keep=tmp_path, cases=0
    )
    for form in forms.values():
        with pytest.raises(FileNotFoundError):  # the settings hold; the data set is not there
            contents.trained((form, 1.0, 1, given))


def test_a_rate_at_which_a_training_diverges_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(name: str, params: dict[str, Any], *_: object) -> dict[str, Any]:
        fast = params["models"]["mahn"]["train"]["lr"] > 0.005
        if name == "sasrec" or (fast and name == FORMS["whole"]):
            raise FloatingPointError("epoch 1, step 0: the loss is nan")
        return row(3)

    monkeypatch.setattr(contents, "measured", measured)
    monkeypatch.setattr(contents, "rare", lambda given: np.arange(CASES) % 4 == 1)
    lines = told(monkeypatch, capsys, "--rivals", "ease", "sasrec", "--rates", "1", "9", "--keep", str(tmp_path))
    table = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:] for line in lines if line.startswith("|")}
    assert table["mahn"][5] == "1"
    assert table["sasrec"][0] == "epoch 1, step 0: the loss is nan"


@pytest.mark.parametrize("words", [("--seeds", "1", "1"), ("--seeds",), ("--rates", "0"), ("--cases", "-3")])
def test_seeds_twice_and_senseless_numbers_are_refused(
    words: tuple[str, ...], asked: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        told(monkeypatch, capsys, *words)
    assert f"argument {words[0]}: " in capsys.readouterr().err
    assert not asked
