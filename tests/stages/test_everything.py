"""The protocol `everything`: all events train, by what a validated run chose; nothing is tested, people are served."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
import pytest
import torch
from ruamel.yaml import YAML

import models
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import CANDIDATES, CATALOG, EVENTS, ITEMS, RECOMMENDATIONS, SPLIT, USERS
from engine.tables.settings import Choice
from engine.training import weights
from engine.training.loop import Loop
from engine.training.schedule import Train
from engine.training.source import load
from engine.training.trained_on import trained_on
from models.ease import EASE
from stages import train
from stages.evaluate import __main__ as evaluate
from stages.recommend import __main__ as recommend
from stages.split import __main__ as split

PEOPLE, ITEM, ACTS = 12, 14, 8
LEARNING: dict[str, Any] = {"epochs": 7, "patience": 2, "lr": 0.02, "decay": "cosine", "batch_size": 16}
PLATEAU: dict[str, Any] = LEARNING | {"epochs": 60, "patience": 9, "decay": "plateau", "lr": 1e-12}
SECTIONS: dict[str, dict[str, Any]] = {
    "sasrec": {"dim": 8, "heads": 1, "blocks": 1, "inner": 8, "length": 5, "objective": "full", "dropout": 0.0},
    "ease": {"penalty": [1.0, 10.0]},
    "ncf": {"dim": 4},
}
PROTOCOLS = {
    "everything": {"rule": "everything", "candidates": 0, "seen": "excluded"},
    "leave_one_out": {"rule": "leave_one_out", "candidates": 0, "seen": "excluded"},
}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with twelve people who go on from item to item, coded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    layout = at(tmp_path, "everything")
    events = [(u, 1 + (u + p) % ITEM, None, None) for u in range(1, PEOPLE + 1) for p in range(ACTS)]
    catalog = [(i, None, "", "missing", "missing", None) for i in range(1, ITEM + 1)]
    people, items = [(u, f"p{u}") for u in range(1, PEOPLE + 1)], [(i, f"i{i}", None, None, None) for i in range(1, 15)]
    for path, table, rows in (
        (layout.events, EVENTS, events), (layout.catalog, CATALOG, catalog), (layout.users, USERS, people),
        (layout.items, ITEMS, items), (layout.given_candidates, CANDIDATES, []),
    ):  # fmt: skip
        store.write(pl.DataFrame(rows, schema=dict(table.columns), orient="row"), path, table)
    for protocol, settings in PROTOCOLS.items():
        split.main(split.Params(protocol=Choice(name=protocol, settings=settings), seed=1), at(tmp_path, protocol))
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "nothing was run yet")
    return tmp_path


def at(folder: Path, protocol: str) -> Layout:
    return Layout(folder / "data" / "shop", protocol, readings=folder / "metrics")


def git(*words: str) -> None:
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@x.y", *words], check=True, capture_output=True)


def learn(folder: Path, model: str, protocol: str, validated: str = "", **changes: Any) -> dict[str, float]:
    """Trains, and gives metrics/valid.json."""
    how = LEARNING | changes | ({"validated": validated} if validated else {})
    params = train.Params(
        model=Choice(name=model, settings=SECTIONS[model]), seen="excluded", train=how, device="cpu", seed=1
    )
    train.main(params, at(folder, protocol))
    found: dict[str, float] = json.loads((folder / "metrics" / "valid.json").read_text())
    return found


def validated_run(
    folder: Path, model: str, how: dict[str, Any] = LEARNING, other: Mapping[str, float] = MappingProxyType({})
) -> dict[str, float]:
    """A run of leave_one_out that is committed, with other readings where they are given."""
    found = {**learn(folder, model, "leave_one_out", **how), **other}
    (folder / "metrics" / "valid.json").write_text(json.dumps(found))
    params = {"dataset": "shop", "model": model, "train": how, "models": {model: SECTIONS[model]}}
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(params, file)
    git("add", "params.yaml", "metrics")
    git("commit", "-q", "-m", "validated")
    return found


def test_all_events_train_and_nothing_is_left_to_rank(repo: Path) -> None:
    layout = at(repo, "everything")
    assert store.read(layout.split, SPLIT)["part"].unique().to_list() == ["train"]
    assert store.height(layout.cases) == 0
    assert store.height(layout.split) == PEOPLE * ACTS
    model = Choice(name="popularity", settings={})
    train.main(train.Params(model=model, seen="excluded", device="cpu"), layout)  # chooses nothing: needs no run
    with pytest.raises(ValueError, match=r"protocols\.everything learns from all events and leaves none to test"):
        evaluate.main(evaluate.Params(model=model, seen="excluded", device="cpu"), layout)


def test_weights_say_the_items_that_they_learned_by_where_others_come_meanwhile(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, whole = at(repo, "leave_one_out"), Loop.run
    needs = models.configure(Choice(name="sasrec", settings=SECTIONS["sasrec"])).needs
    before = trained_on(layout, needs, tested=True)

    def replaced(loop: Loop, *given: Any, **more: Any) -> Any:
        items = store.read(layout.items, ITEMS).with_columns(raw=pl.col("raw").reverse())
        store.write(items, layout.items, ITEMS)
        return whole(loop, *given, **more)

    monkeypatch.setattr(Loop, "run", replaced)
    learn(repo, "sasrec", "leave_one_out")
    said = weights.load(layout.weights, "cpu")[0].data
    assert said == before
    assert said.items != trained_on(layout, needs).items


@pytest.mark.parametrize(("code", "epochs"), [("as it was", 5), ("changed", 7)])
def test_a_training_that_was_cut_short_goes_on_by_the_same_code_alone(
    repo: Path, monkeypatch: pytest.MonkeyPatch, code: str, epochs: int
) -> None:
    whole, read = train.selection, list[float]()

    def counted(*given: Any) -> Any:
        def reading() -> float:
            if len(read) == 2 and not stopped:
                raise KeyboardInterrupt
            read.append(own())
            return read[-1]

        own = whole(*given)
        return reading

    stopped = False
    monkeypatch.setattr(train, "selection", counted)
    with pytest.raises(KeyboardInterrupt):
        learn(repo, "sasrec", "leave_one_out", save=0, patience=7)
    stopped = True
    if code == "changed":
        monkeypatch.setattr(models, "code", lambda name: "of another commit")
    learn(repo, "sasrec", "leave_one_out", save=0, patience=7)
    assert len(read) - 2 == epochs


def test_without_a_run_that_chose_the_epochs_it_is_refused(repo: Path) -> None:
    with pytest.raises(ValueError, match=r"name the run that chose the epochs: \+train\.validated=REVISION"):
        learn(repo, "sasrec", "everything")


@pytest.mark.parametrize("model", ["sasrec", "ncf"])
def test_it_learns_as_long_as_the_run_did_to_its_best(repo: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = validated_run(repo, model)
    epochs: list[int] = []
    whole = Loop.run

    def noted(loop: Loop, *given: Any, **more: Any) -> Any:
        done = whole(loop, *given, **more)
        planned = Train(epochs=LEARNING["epochs"], lr=loop.settings.lr, decay="cosine")  # not of a shorter run
        assert loop.optimizer.param_groups[0]["lr"] == pytest.approx(planned.rate(done.epoch))
        epochs.append(done.epoch)
        return done

    monkeypatch.setattr(Loop, "run", noted)
    found = learn(repo, model, "everything", "HEAD")
    best = [int(value) for key, value in chosen.items() if key.startswith("best_epoch_")] or [int(chosen["best_epoch"])]
    assert sorted(epochs) == sorted(best)  # metrics are written by name
    assert len(best) == (3 if model == "ncf" else 1)
    assert found["best_epoch"] == chosen["best_epoch"]
    assert found["valid_cases"] == 0
    cost = json.loads((repo / "metrics" / "cost.json").read_text())
    assert cost["ended_at_cap"] == 0


@pytest.mark.parametrize("model", ["sasrec", "ncf"])
def test_its_rate_falls_where_that_of_the_run_did(repo: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    still = learn(repo, model, "leave_one_out", **PLATEAU)  # at such a rate nothing moves: plateaus after 5 and 9
    phases = ["gmf_", "mlp_", "both_"] if model == "ncf" else [""]
    fell = {f"plateau_{phase}{n}": epoch for phase in phases for n, epoch in ((1, 5), (2, 9))}
    told = {key: int(epoch) for key, epoch in still.items() if key.startswith("plateau_")}
    assert told | {key: fell[key] for key in told if "_both_" in key} == fell  # ncf's last phase has a rate of its own
    best = {key: 7 for key in still if key.startswith("best_epoch")}
    validated_run(repo, model, PLATEAU, best | fell)
    rates: list[list[float]] = []
    whole, epoch = Loop.run, Loop._epoch

    def run(loop: Loop, *given: Any, **more: Any) -> Any:
        rates.append([])
        return whole(loop, *given, **more)

    def noted(loop: Loop, number: int) -> None:
        epoch(loop, number)
        rates[-1].append(loop.optimizer.param_groups[0]["lr"] / loop.settings.lr)

    monkeypatch.setattr(Loop, "run", run)
    monkeypatch.setattr(Loop, "_epoch", noted)
    learn(repo, model, "everything", "HEAD", **PLATEAU)
    assert rates == [pytest.approx([1, 1, 1, 1, 1, 1 / 3, 1 / 3])] * len(phases)


def test_a_run_that_still_rose_at_its_last_epoch_says_so(repo: Path, caplog: pytest.LogCaptureFixture) -> None:
    rising = "validation was still rising at the last epoch (7; by "
    for rate, patience, rises in ((0.02, 7, True), (1e-12, 7, False), (0.02, 1, True)):
        caplog.clear()
        found = learn(repo, "sasrec", "leave_one_out", lr=rate, patience=patience, decay="none")
        cost = json.loads((repo / "metrics" / "cost.json").read_text())
        assert cost["ended_at_cap"] or patience == 1  # impatience ends the last one earlier, by most versions of torch
        says = rises and cost["ended_at_cap"] == 1
        assert (rising in caplog.text) == says, (found, cost)
        assert not says or "more models.sasrec.train.epochs" in caplog.text


def test_a_solver_takes_the_settings_that_were_chosen(repo: Path) -> None:
    chosen = validated_run(repo, "ease")
    kept = repo / "metrics" / "valid.json"
    other = next(each for each in SECTIONS["ease"]["penalty"] if each != chosen["chosen_penalty"])
    kept.write_text(json.dumps(chosen | {"chosen_penalty": other}))
    git("commit", "-qam", "the other one")
    assert learn(repo, "ease", "everything", "HEAD")["chosen_penalty"] == other
    assert learn(repo, "ease", "everything", "HEAD~1")["chosen_penalty"] == chosen["chosen_penalty"]


def test_people_are_served_by_what_learned_from_all(repo: Path) -> None:
    validated_run(repo, "ease")
    learn(repo, "ease", "everything", "HEAD")
    layout = at(repo, "everything")
    model = Choice(name="ease", settings=SECTIONS["ease"])
    recommend.main(recommend.Params(model=model, seen="excluded", device="cpu"), layout)
    table = store.read(layout.recommendations, RECOMMENDATIONS)
    assert table.group_by("user").len()["len"].to_list() == [ITEM - ACTS] * PEOPLE
    needs = models.configure(model).needs
    data = load(layout, needs, "test", "cpu")
    served = models.restore(model, data.catalog, data.users, layout.weights, trained_on(layout, needs))
    assert isinstance(served, EASE)
    fresh = models.build(model, data.catalog, data.users)
    fresh.choose(served.chosen)
    fresh.solve(data.events)
    torch.testing.assert_close(served.matrix_MM, fresh.matrix_MM)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("sasrec", "nowhere"), "git has no params.yaml of 'nowhere'"),
        (("sasrec", "HEAD~1"), "git has no params.yaml of 'HEAD~1'"),
        (("ease", "HEAD"), "model is 'sasrec' there and 'ease' here"),
    ],
)
def test_a_run_that_is_none_or_another_is_refused(repo: Path, asked: tuple[str, str], said: str) -> None:
    validated_run(repo, "sasrec")
    with pytest.raises(ValueError, match=said):
        learn(repo, asked[0], "everything", asked[1])


def test_a_run_with_other_settings_is_refused_by_their_names(repo: Path) -> None:
    validated_run(repo, "sasrec")
    with pytest.raises(ValueError, match=r"train\.lr is 0\.02 there and 0\.05 here$"):
        learn(repo, "sasrec", "everything", "HEAD", lr=0.05, patience=9)
    with pytest.raises(ValueError, match="this protocol validates by itself"):
        learn(repo, "sasrec", "leave_one_out", "HEAD")
    git("commit", "-qam", "none") if (repo / "metrics" / "valid.json").write_text('{"valid_cases": 0}') else None
    with pytest.raises(ValueError, match="knows no validation case"):
        learn(repo, "sasrec", "everything", "HEAD")
