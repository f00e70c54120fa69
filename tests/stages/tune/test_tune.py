"""Settings are searched on validation alone, with equal budgets; a search that was killed goes on as if it were not."""

import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import models
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.params import expanded, override, read_yaml
from engine.tables.schemas import CASES, SPLIT
from engine.tables.settings import Choice
from engine.training.contract import Learner
from engine.training.fit import Progressed, Train, Watch
from engine.training.run_settings import RunSettings
from stages.tune import __main__ as tune
from stages.tune import space, trainings, trials, tuned
from stages.tune.space import Dimension, Value
from stages.tune.trials import WARM_UP, Budget, Search

ROOT = Path(__file__).parents[3]
SPACE = {"x": Dimension(low=0.0, high=1.0), "kind": Dimension(any=("a", "b"))}
PEOPLE, ITEMS, LENGTH = 30, 20, 8


def world(root: Path, replaced: str = "") -> Layout:
    """People who go on from item to item, some by two; in the part `replaced` the acts are others."""
    made = Layout(root / "data" / "tiny", "temporal")
    rows, cases = [], []
    for user in range(1, PEOPLE + 1):
        for place in range(LENGTH):
            part = {LENGTH - 2: "valid", LENGTH - 1: "test"}.get(place, "train")
            item = 1 + (user + place * (1 + user % 2) + (5 if part == replaced else 0)) % ITEMS
            rows.append((user, place, item, None, part, None))
            if part != "train":
                cases.append((len(cases) + 1, part, user, place, item, None))
    frame = pl.DataFrame(rows, schema=dict(SPLIT.columns), orient="row")
    store.write(frame, made.split, SPLIT, {"items": ITEMS, "users": PEOPLE})
    store.write(pl.DataFrame(cases, schema=dict(CASES.columns), orient="row"), made.cases, CASES)
    return made


def command(monkeypatch: pytest.MonkeyPatch, layout: Layout, *more: str) -> dict[str, Any]:
    """The command in the repository, its files beside the data; gives the sections of the data set and protocol."""
    folder = layout.root.parents[1]
    monkeypatch.setattr(
        sys, "argv", ["tune", str(layout.root), "--protocol", "temporal", "--tuned", str(folder / "tuned.yaml"),
                      "--out", str(folder / "kept"), "device=cpu", *more]
    )  # fmt: skip
    monkeypatch.setattr(tune, "read_yaml", _with_tiny)
    tune.main()
    found: dict[str, Any] = read_yaml(folder / "tuned.yaml")["tiny"]["temporal"]
    return found


def _with_tiny(path: Path) -> dict[str, Any]:
    found = read_yaml(path)
    if path.name == "params.yaml":
        for name in ("gru4rec", "sasrec"):
            found["models"][name]["train"] |= {"epochs": 3, "batch_size": 16}
    return found


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return tmp_path


def search(folder: Path, seed: int = 1, name: str = "d/p/m") -> Search:
    return Search(folder, name, SPACE, seed)


def curve(settings: dict[str, Value], watch: Watch, epochs: int = 11) -> Progressed:
    """A training that rises to x, told as it goes."""
    height = float(settings["x"]) + (settings["kind"] == "b")
    done = Progressed()
    for epoch in range(1, epochs + 1):
        watch(epoch, height * epoch / epochs)
        done.best, done.best_epoch, done.epoch = height * epoch / epochs, epoch, epoch
    return done


def silent(_: Search) -> None:
    pass


def test_the_best_trial_is_kept_and_later_runs_go_on(tmp_path: Path) -> None:
    tried: list[dict[str, Value]] = []

    def fit(settings: dict[str, Value], folder: Path, watch: Watch) -> list[Progressed]:
        tried.append(settings)
        return [curve(settings, watch)]

    first = search(tmp_path).run(fit, {"x": 0.25, "kind": "a"}, Budget(6), silent)
    assert tried[0] == {"x": 0.25, "kind": "a"}  # the settings as they stand
    assert first.trials == len(tried) == 6
    again = search(tmp_path).run(fit, {}, Budget(6), silent)
    assert again == first
    assert len(tried) == 6
    more = search(tmp_path).run(fit, {}, Budget(10), silent)
    assert (more.trials, len(tried)) == (10, 10)
    assert more.value == pytest.approx(max(float(t["x"]) + (t["kind"] == "b") for t in tried))
    assert len({float(t["x"]) for t in tried}) == 10  # a run that goes on draws nothing twice
    other = search(tmp_path, seed=2, name="d/p/other").run(fit, {}, Budget(2), silent)
    assert other.trials == 2


@pytest.mark.parametrize("stop", [(0, 1), (4, 3), (9, 8)])
def test_a_killed_search_ends_as_one_that_was_not(tmp_path: Path, stop: tuple[int, int]) -> None:
    tried: list[dict[str, Value]] = []

    def fit(settings: dict[str, Value], folder: Path, watch: Watch) -> list[Progressed]:
        def watched(epoch: int, value: float) -> None:
            if kills and (len(tried) - 1, epoch) == stop:
                kills.pop()
                tried.pop()
                raise SystemExit  # which nothing catches: the trial stays as a killed process leaves it
            watch(epoch, value)

        tried.append(settings)
        return [curve(settings, watched)]

    kills: list[int] = []
    whole, plain = search(tmp_path / "whole").run(fit, {"x": 0.5}, Budget(11), silent), list(tried)
    tried.clear()
    kills.append(1)
    with pytest.raises(SystemExit):
        search(tmp_path / "killed").run(fit, {"x": 0.5}, Budget(11), silent)
    found = search(tmp_path / "killed").run(fit, {"x": 0.5}, Budget(11), silent)
    assert not kills
    assert tried == plain
    assert (found.settings, found.value, found.trials, found.pruned) == (
        whole.settings, whole.value, whole.trials, whole.pruned,
    )  # fmt: skip


def test_a_trial_below_the_others_is_pruned_and_never_in_its_first_epochs(tmp_path: Path) -> None:
    ends: list[int] = []

    def fit(settings: dict[str, Value], folder: Path, watch: Watch) -> list[Progressed]:
        folder.mkdir(parents=True)
        (folder / "1.pt").write_text("")
        ends.append(0)

        def noted(epoch: int, value: float) -> None:
            ends[-1] = epoch
            watch(epoch, value)

        return [curve(settings, noted)]

    found = search(tmp_path).run(fit, {}, Budget(16), silent)
    early = [epoch for epoch in ends if epoch < 11]
    assert found.pruned == len(early) > 1
    assert min(early) > WARM_UP
    assert not list(tmp_path.rglob("*.pt"))  # what a pruned trial had kept for a kill


def test_a_training_that_diverges_counts_and_the_search_goes_on(tmp_path: Path) -> None:
    def fit(settings: dict[str, Value], folder: Path, watch: Watch) -> list[Progressed]:
        if settings["kind"] == "b":
            raise FloatingPointError("epoch 1, step 3: the loss is nan")
        return [curve(settings, watch)]

    found = search(tmp_path).run(fit, {"kind": "b"}, Budget(8), silent)
    assert found.settings["kind"] == "a"
    assert 1 <= found.failed < 8
    assert found.trials == 8
    with pytest.raises(ValueError, match="of 1 trials none came to its end: epoch 1, step 3: the loss is nan"):
        search(tmp_path, name="d/p/b").run(fit, {"kind": "b"}, Budget(1), silent)


def test_what_does_not_go_together_or_does_not_fit_counts_as_failed(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(settings: dict[str, Value], folder: Path, watch: Watch) -> list[Progressed]:
        if settings["kind"] == "b":
            raise torch.OutOfMemoryError("does not fit")
        return [curve(settings, watch)]

    assert 0 < search(tmp_path).run(fit, {}, Budget(8), silent).failed < 8
    spaces = tmp_path / "spaces.yaml"
    spaces.write_text("common: {}\nmodels: {sasrec: {dim: {any: [16, 18]}, heads: {any: [1, 4]}}}")
    found = command(monkeypatch, world(kept), "--models", "sasrec", "--trials", "8", "--spaces", str(spaces))["sasrec"]
    assert found["trials"] == 8
    assert 0 < found["failed"] < 8
    assert "heads=4" not in found["settings"] or "dim=16" in found["settings"]


@pytest.mark.parametrize("seconds", ["-5", "nan", "inf"])
def test_seconds_that_end_nothing_are_refused(
    seconds: str, kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command(monkeypatch, world(kept), "--models", "ease", f"--seconds={seconds}")
    assert f"0 or more, found {seconds}" in capsys.readouterr().err


def test_a_file_for_what_is_found_is_refused_before_the_search(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "search", lambda *_: pytest.fail("searched"))
    for text, why in (("tiny: {temporal: 3}", "no file of what was found"), ("[1", "does not parse")):
        (kept / "tuned.yaml").write_text(text)
        with pytest.raises(SystemExit, match=why):
            command(monkeypatch, world(kept), "--models", "ease")
    (kept / "tuned.yaml").write_text(tuned.HEAD)
    assert tuned.known(kept / "tuned.yaml") == {}


def test_choices_of_its_own_are_solved_with_one_seed_and_that_is_noted(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(monkeypatch, world(kept), "--models", "ease", "--seeds", "3")["ease"]["seeds"] == [1]


def test_sections_that_are_written_at_once_all_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, whole = tmp_path / "tuned.yaml", tuned.files.whole

    def slow(where: Path) -> Any:
        time.sleep(0.05)  # others have read by now, if they may
        return whole(where)

    monkeypatch.setattr(tuned.files, "whole", slow)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda model: tuned.put(path, ("d", "p", model), {"settings": ""}), "abcd"))
    assert sorted(read_yaml(path)["d"]["p"]) == ["a", "b", "c", "d"]


def test_seconds_end_a_search_and_those_of_earlier_runs_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(trials, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))

    def fit(settings: dict[str, Value], folder: Path, watch: Watch) -> list[Progressed]:
        return [curve(settings, watch)]

    assert search(tmp_path).run(fit, {}, Budget(2), silent).seconds == 20
    assert search(tmp_path).run(fit, {}, Budget(50, 35.0), silent).trials == 4


def test_a_line_that_a_kill_cut_short_spoils_no_search(tmp_path: Path) -> None:
    tried: list[dict[str, Value]] = []

    def fit(settings: dict[str, Value], folder: Path, watch: Watch) -> list[Progressed]:
        tried.append(settings)
        return [curve(settings, watch)]

    first = search(tmp_path).run(fit, {}, Budget(3), silent)
    whole = (tmp_path / "trials.log").read_bytes()
    (tmp_path / "trials.log").write_bytes(whole + whole.splitlines()[-1][:20])
    assert search(tmp_path).run(fit, {}, Budget(3), silent) == first
    assert search(tmp_path).run(fit, {}, Budget(5), silent).trials == len(tried) == 5
    (tmp_path / "trials.log").write_bytes(whole[:20])
    assert search(tmp_path).run(fit, {}, Budget(1), silent).trials == 1


@pytest.mark.parametrize("seed", [500_000, 2**32 - 1])
def test_any_seed_of_a_run_will_do_for_a_search(tmp_path: Path, seed: int) -> None:
    found = search(tmp_path, seed=seed).run(lambda x, _, watch: [curve(x, watch)], {}, Budget(2), silent)
    assert found.trials == 2


def test_more_seeds_than_there_are_are_refused(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"--seeds 2: from seed 4294967295 on there are 1"):
        command(monkeypatch, world(kept), "--models", "gru4rec", "--seeds", "2", "seed=4294967295")


def test_a_damaged_file_of_trials_is_named(tmp_path: Path) -> None:
    search(tmp_path).run(lambda settings, _, watch: [curve(settings, watch)], {}, Budget(2), silent)
    lines = (tmp_path / "trials.log").read_text().splitlines(keepends=True)
    (tmp_path / "trials.log").write_text("".join([*lines[:2], "{\n", *lines[2:]]))
    with pytest.raises(ValueError, match=r"trials\.log is damaged .*; move it away, or name another folder by --out"):
        search(tmp_path)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["protocol=leave_one_out"], "--protocol temporal and protocol=leave_one_out: one of them is enough"),
        (["--models", "ease, nosuch"], "no 'nosuch' in 'models.nosuch'"),
    ],
)
def test_two_choices_of_one_thing_are_refused(
    kept: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], why: str
) -> None:
    with pytest.raises(SystemExit, match=why):
        command(monkeypatch, world(kept), *more)


def test_the_folder_of_another_data_set_is_refused(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = world(kept).root.rename(kept / "data" / "demo")
    with pytest.raises(SystemExit, match="is the folder of demo, and dataset is movielens: dataset=demo would do"):
        command(monkeypatch, Layout(demo, "temporal"), "dataset=movielens")


@pytest.mark.parametrize(("option", "given", "why"), [
    ("--trials", "many", "a whole number, 1 at least, found many"),
    ("--trials", "0", "a whole number, 1 at least, found 0"),
    ("--seconds", "long", "0 or more, found long"),
])  # fmt: skip
def test_a_budget_that_is_none_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str, given: str, why: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["tune", "data/x", "--protocol", "temporal", option, given])
    with pytest.raises(SystemExit):
        tune.main()
    assert why in capsys.readouterr().err


def test_two_processes_do_not_search_the_same(tmp_path: Path) -> None:
    def fit(settings: dict[str, Value], folder: Path, watch: Watch) -> list[Progressed]:
        with pytest.raises(ValueError, match="another process searches this"):
            search(tmp_path).run(fit, {}, Budget(5), silent)
        return [curve(settings, watch)]

    assert search(tmp_path).run(fit, {}, Budget(1), silent).trials == 1


def test_models_get_as_many_trials_and_a_solver_s_own_choices_count(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = command(monkeypatch, world(kept), "--models", "gru4rec,sasrec,ease,popularity", "--trials", "3")
    assert {name: section["trials"] for name, section in found.items()} == {
        "gru4rec": 3, "sasrec": 3, "ease": 12, "popularity": 1,
    }  # fmt: skip
    for name, section in found.items():
        assert 0 <= section["best"] <= 1
        assert section["seeds"] == [1]
        assert section["reading"] == "NDCG@10"
        params = read_yaml(ROOT / "params.yaml") | {"dataset": "tiny", "protocol": "temporal", "model": name}
        for assignment in expanded(f"@{kept / 'tuned.yaml'}", params):
            override(params, assignment)
        models.configure(Choice(name=name, settings=params["models"][name]))
        assert not isinstance(params["models"].get("ease", {}).get("penalty") if name == "ease" else 1, list)
    assert "++models.sasrec.train.lr=" in found["sasrec"]["settings"]


def test_what_was_found_trains_to_the_value_that_is_noted(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = world(kept)
    section = command(monkeypatch, layout, "--models", "gru4rec", "--trials", "3", "--seeds", "2")["gru4rec"]
    assert section["seeds"] == [1, 2]
    params = _with_tiny(ROOT / "params.yaml")
    for assignment in section["settings"].split():
        override(params, assignment)
    choice = Choice(name="gru4rec", settings=params["models"]["gru4rec"])
    own = RunSettings(model=choice, seen="excluded", train=params["train"], device="cpu")
    again = trainings.Trainings(own, layout, 2)
    values = [again.trained(choice, seed, kept / "again", None)[1].best for seed in (1, 2)]
    assert np.mean(values) == pytest.approx(section["best"], abs=1e-6)


def test_the_test_part_cannot_be_read(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other acts in the test part change nothing; in the validation part they do."""
    asked = ("--models", "gru4rec,ease", "--trials", "2", "models.gru4rec.dim=8")
    found = {}
    for replaced in ("", "test", "valid"):
        section = command(monkeypatch, world(kept / f"r{replaced}", replaced), *asked)
        found[replaced] = {name: {k: v for k, v in of.items() if k != "seconds"} for name, of in section.items()}
    assert found[""] == found["test"]
    assert found[""]["gru4rec"] != found["valid"]["gru4rec"]
    assert found[""]["ease"] != found["valid"]["ease"]


def test_other_data_settings_or_code_are_another_search(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def name(layout: Layout, seeds: int = 1, **settings: object) -> str:
        choice = Choice(name="gru4rec", settings=settings)
        return trainings.Trainings(RunSettings(model=choice, seen="excluded", device="cpu"), layout, seeds).name()

    layout = world(kept)
    names = [name(layout), name(layout, 2), name(layout, dim=8), name(world(kept / "other", "valid"))]
    assert len(set(names)) == 4
    assert name(layout) == names[0]
    assert names[0].startswith("tiny/temporal/gru4rec/")
    monkeypatch.setattr(models, "code", lambda name: f"changed {name}")
    assert name(layout) not in names


def test_a_file_keeps_its_other_sections(tmp_path: Path) -> None:
    path = tmp_path / "tuned.yaml"
    best = tuned.Best({"dim": 16, "tied": True, "train.lr": 1e-05}, 0.5, 4)
    given = ["+models.gru4rec.length=5", "models.sasrec.dim=8", "train.epochs=3", "device=cpu"]
    for place in (("b", "p", "gru4rec"), ("a", "p", "gru4rec"), ("b", "q", "sasrec")):
        tuned.put(path, place, tuned.section(place[2], best, "NDCG@10", [1], given))
    found = read_yaml(path)
    assert list(found) == ["a", "b"]
    assert list(found["b"]) == ["p", "q"]
    params = {"dataset": "b", "protocol": "p", "model": "gru4rec", "models": {"gru4rec": {}}, "train": {}}
    for assignment in expanded(f"@{path}", params):
        override(params, assignment)
    assert params["models"] == {"gru4rec": {"length": 5, "dim": 16, "tied": True, "train": {"lr": 1e-05}}}
    assert params["train"] == {"epochs": 3}  # what the command itself had set
    with pytest.raises(KeyError, match=r"nothing for b, q, gru4rec; `python -m stages"):
        expanded(f"@{path}", params | {"protocol": "q"})
    for text, place in (("d: 3\n", "d is 3"), ("d: {p: {m: 5}}\n", "d.p.m is 5")):
        path.write_text(text)
        with pytest.raises(ValueError, match=f"{place}: this is no file that stages.tune wrote"):
            expanded(f"@{path}", {"dataset": "d", "protocol": "p", "model": "m"})


@pytest.mark.parametrize("name", read_yaml(ROOT / "params.yaml")["models"])
def test_every_model_takes_what_is_searched_of_it(name: str) -> None:
    choice = Choice(name=name, settings=read_yaml(ROOT / "params.yaml")["models"][name])
    learns = any(isinstance(v, type) and issubclass(v, Learner) and v is not Learner
                 and v.__module__ == f"models.{name}" for v in vars(models.find(name)).values())  # fmt: skip
    found = space.dimensions(space.read(ROOT / "papers/spaces.yaml"), choice, learns)
    assert ("train.lr" in found) == learns
    begun = space.start(found, choice, Train())
    assert set(begun) <= set(found)
    for key, value in begun.items():
        assert found[key].holds(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("common: {}\nmodels: {sasrec: {train.lr: {low: 0.1, high: 1.0}}}", "train.lr is searched alike for all"),
        ("common: {dim: {any: [3]}}", "common.dim: .*two values at least"),
        ("common: {dim: {low: 0, high: 8, log: true}}", "common.dim: .*above 0"),
        ("common: {dim: {any: [8, 8]}}", "common.dim: .*two values at least"),
        ("common: {train.lr: {low: 0.1, high: .inf}}", r"yaml: common\.train\.lr\.high.*finite number \(found inf\)"),
        ("common: {}\nmodels: {sasrecc: {dim: {any: [8, 16]}}}", "models.sasrecc: there is no such model; .*sasrec"),
        ("common: {dim: {lower: 8}}", "common.dim.lower: .*known keys: any, high, log, low$"),
        ("common: {dropuot: {low: 0.0, high: 0.5}}", r"yaml: common\.dropuot: no model has this setting"),
        ("common: {train.rate: {low: 0.0, high: 0.5}}", r"yaml: common\.train\.rate: no model has this setting"),
    ],
)
def test_a_wrong_space_is_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "spaces.yaml").write_text(text)
    with pytest.raises(ValueError, match=why):
        space.read(tmp_path / "spaces.yaml")


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({"width": Dimension(any=(1, 2))}, r"^what is searched of sasrec \(--spaces\): width: models\.sasrec\.width"),
        ({"dim.x": Dimension(any=(1, 2))}, r"models\.sasrec\.dim\.x: dim is 64 and has no settings"),
        ({"heads": Dimension(any=(0, 2))}, "models.sasrec.heads"),
        ({"train.rate": Dimension(any=(0, 2))}, "models.sasrec.train.rate"),
    ],
)
def test_a_setting_that_the_model_lacks_is_refused_by_name(own: dict[str, Dimension], why: str) -> None:
    spaces = space.Spaces(common={}, models={"sasrec": dict(own)})
    with pytest.raises(ValueError, match=why):
        space.dimensions(spaces, Choice(name="sasrec", settings={"dim": 64}), True)


def test_a_wrong_model_is_refused_before_anything_is_searched(
    kept: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(SystemExit, match=r"tune: .*no 'nosuch'"):
        command(monkeypatch, world(kept), "--models", "ease,nosuch")
    assert not (kept / "tuned.yaml").exists()
