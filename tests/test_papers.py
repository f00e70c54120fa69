"""papers/: every cell can be built as it is written, and every path of the sub-project is one that a stage takes."""

import csv
import io
import json
import math
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_rel

import models
from benchmarks.contents import RIVALS
from benchmarks.outside import SETTINGS
from engine.tables import files, store
from engine.tables.layout import Layout
from engine.tables.params import override, read_yaml
from engine.tables.schemas import ERRORS, RANKS
from engine.tables.settings import Choice
from stages.compare import paper_inputs, paper_tables
from stages.compare.paper_inputs import missing, needed
from stages.compare.paper_tables import tables
from stages.compare.printed_table import markdown

ROOT = Path(__file__).parent.parent
LISTS: dict[str, Any] = read_yaml(ROOT / "papers/cells.yaml")
SYSTEMS = ("ante_rnn", "iarn", "iris", "mahn", "min_net")
CELLS: dict[str, dict[str, Any]] = LISTS["cells"]
TUNED: dict[str, dict[str, Any]] = LISTS["tuned"]
TIMED = "WHYREC_SECONDS=papers/cells/${key}/prediction.json"
ROOT_STAGES, STAGES, TUNED_STAGES = (
    read_yaml(ROOT / place)["stages"] for place in ("dvc.yaml", "papers/dvc.yaml", "papers/tuned/dvc.yaml")
)


def given(cell: dict[str, Any]) -> list[str]:
    """Its overrides; later ones win."""
    return [*cell.get("base", "").split(), *cell["settings"].split()]


@pytest.mark.parametrize("name", CELLS | TUNED)
def test_a_cell_is_a_model_with_settings_that_it_has(name: str) -> None:
    cell, params = (CELLS | TUNED)[name], read_yaml(ROOT / "params.yaml")
    for assignment in given(cell):
        assert assignment.lstrip("+").startswith(f"models.{cell['model']}.")
        override(params, assignment)
    models.configure(Choice(name=cell["model"], settings=params["models"][cell["model"]]))
    assert cell["protocol"] in params["protocols"]
    assert cell["protocol"] in read_yaml(ROOT / "papers/cells.yaml")["protocols"]


def test_no_two_cells_are_the_same() -> None:
    for cells in (CELLS, TUNED):
        assert len({(c["paper"], c["protocol"], c["model"], *given(c)) for c in cells.values()}) == len(cells)
    assert not CELLS.keys() & TUNED.keys()  # they lie in one folder


def test_a_tuned_cell_runs_as_the_others_with_what_was_found() -> None:
    cell, searched = (stages["cell"]["do"] for stages in (STAGES, TUNED_STAGES))
    plain = [c.replace(" @papers/tuned.yaml", "").replace("papers/tuned/", "papers/") for c in searched["cmd"]]
    unsearched = [c.replace("${item.base} ", "").replace(TIMED, "") for c in cell["cmd"]]
    assert [" ".join(c.replace("cd ../..", "cd ..").split()) for c in plain] == [
        " ".join(c.split()) for c in unsearched
    ]
    assert sum("@papers/tuned.yaml" in c for c in searched["cmd"]) == 2
    assert {dep for dep in searched["deps"] if not dep.startswith("../data")} == {
        f"../{dep}" for dep in cell["deps"] if not dep.startswith("data")
    }
    assert searched["outs"] == cell["outs"]
    own = {"../tuned.yaml": ["${dataset}.${item.protocol}.${item.model}"]}
    assert [{name.removeprefix("../"): keys for name, keys in one.items()} for one in searched["params"][:-1]] == cell[
        "params"
    ]
    assert searched["params"][-1] == own


def test_what_the_root_has_to_make_is_said_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    papers, root = read_yaml(ROOT / "papers/dvc.yaml"), read_yaml(ROOT / "dvc.yaml")
    monkeypatch.chdir(tmp_path)
    found = needed("shop", papers, root)
    assert found[Path("data/shop/features/words.parquet")] == "text"
    assert found[Path("data/shop/oracle.parquet")] == "ingest"
    assert not any("ranks" in str(path) or "weights" in str(path) for path in found)
    told = missing("shop", papers, root)
    assert "data/shop has no catalog.parquet, events.parquet, features/image.parquet" in told
    assert "`dvc repro ingest crawl regions images text`" in told
    for path in found:
        files.write_text("", path)
    assert missing("shop", papers, root) == ""
    (tmp_path / "data/shop/features/words.parquet").unlink()
    told = missing("shop", papers, root)
    assert told.startswith(
        "data/shop has no features/words.parquet: with dataset: shop in params.yaml, `dvc repro text`"
    )


def test_outside_the_project_what_is_not_there_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["paper_inputs", "demo", str(tmp_path / "inputs.json")])
    with pytest.raises(SystemExit, match=r"^papers: .*No such file or directory: 'papers/dvc\.yaml'"):
        paper_inputs.main()


def test_a_cell_that_the_data_cannot_have_leaves_the_others(tmp_path: Path) -> None:
    train, evaluate = STAGES["cell"]["do"]["cmd"][1:]
    assert train.rstrip().endswith("|| test $? -eq 3")
    for status, ends in ((0, 0), (3, 0), (1, 1)):
        line = f"sh -c 'exit {status}' || test $? -eq 3"
        assert subprocess.run(line, shell=True, check=False).returncode == ends
    guard = re.fullmatch(
        rf"(cd \.\. && test ! -e papers/cells/\$\{{key\}}/model/weights\.pt \|\|) {re.escape(TIMED)}\s+python .*",
        evaluate,
        re.S,
    )
    assert guard
    (tmp_path / "papers/cells/b/model").mkdir(parents=True)
    (tmp_path / "papers/cells/b/model/weights.pt").touch()
    for key, said in (("a", ""), ("b", "evaluated\n")):
        line = f"{guard[1].replace('${key}', key)} echo evaluated"
        done = subprocess.run(line, shell=True, cwd=tmp_path / "papers", capture_output=True, text=True, check=True)
        assert done.stdout == said


def test_a_protocol_that_the_data_cannot_have_leaves_the_others(tmp_path: Path) -> None:
    """Where the split ends with status 3 nothing goes on; where it is there all does; where it fails all fails."""
    split, topics = STAGES["prepare"]["do"]["cmd"][1:]
    commands = [split, topics, STAGES["cell"]["do"]["cmd"][1]]
    named = [re.sub(r"\$\{item(\.protocol)?\}", "p", c).replace("${dataset}", "tiny") for c in commands]
    lines = [re.sub(r"\$\{[\w.]+\}", "", c) for c in named]
    folder = tmp_path / "papers/data/tiny/p"
    folder.mkdir(parents=True)
    for status, there, said in ((3, False, ["split"]), (1, False, ["split"]), (0, True, ["split", "topics", "train"])):
        cases = f"touch {folder}/cases.parquet; " if there else ""
        fake = f'python() {{ echo "${{2#stages.}}"; {cases}return {status}; }}\n'
        where: dict[str, Any] = {"cwd": tmp_path / "papers", "capture_output": True, "text": True, "check": False}
        done = [subprocess.run(["bash", "-c", fake + line], **where) for line in lines]
        assert "".join(one.stdout for one in done).split() == said
        assert done[0].returncode == (1 if status == 1 else 0)
        assert all(one.returncode == 0 for one in done[1:])


def test_what_was_found_is_what_models_have() -> None:
    params = read_yaml(ROOT / "params.yaml")
    kept = read_yaml(ROOT / "papers/tuned.yaml")
    sections = [(m, of) for protocols in kept.values() for found in protocols.values() for m, of in found.items()]
    assert sections
    for model, of in sections:
        for assignment in of["settings"].split():
            assert assignment.startswith((f"++models.{model}.", "++train."))
            override(params, assignment)
        models.configure(Choice(name=model, settings=params["models"][model]))
        assert of["trials"] >= 1
        assert of["seeds"]


@pytest.mark.parametrize("stage", ["split", "topics", "train", "evaluate"])
def test_commands_name_the_arguments_of_the_root_s(stage: str) -> None:
    commands = [c for part in ("prepare", "cell") for c in STAGES[part]["do"]["cmd"] if f"-m stages.{stage} " in c]
    assert len(commands) == 1
    assert re.findall(r"--[\w-]+", ROOT_STAGES[stage]["cmd"])[0] in commands[0]
    assert set(re.findall(r"--([\w-]+)", commands[0])) <= {field.name for field in fields(Layout)}


def test_the_sub_project_lists_its_cells() -> None:
    for folder, cells in (("papers", CELLS), ("papers/tuned", TUNED)):
        asked = [sys.executable, "-m", "dvc", "--cd", str(ROOT / folder), "stage", "list", "--name-only"]
        found = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
        assert {f"cell@{name}" for name in cells} <= set(found)
        assert "tables" in found
        assert ("figures" in found) == (folder == "papers")


def ran(
    folder: Path, name: str, greater: list[int], users: list[int], others: list[int] | None = None, capped: int = 0
) -> None:
    frame = pl.DataFrame(
        {"case": range(1, len(users) + 1), "user": users, "position": [3] * len(users), "target": users}
        | {"greater": greater, "ties": [0] * len(users), "others": others or [99] * len(users)}
    ).cast(dict(RANKS.columns))  # type: ignore[arg-type]
    store.write(frame, folder / name / "ranks" / "test.parquet", RANKS)
    store.write(pl.DataFrame(schema=dict(ERRORS.columns)), folder / name / "ranks" / "errors.parquet", ERRORS)
    files.write_json({"ndcg@10": 0.5}, folder / name / "test.json")
    cost = {"epochs": 2, "seconds_training": 3.5, "seconds_an_epoch": 1.5, "peak_gib": 0.25, "ended_at_cap": capped}
    (folder / name / "cost.json").write_text(json.dumps(cost))


def tabled(listed: dict[str, dict[str, Any]], cells: Path, metrics: dict[str, list[str]]) -> dict[str, str]:
    """Their tables, with the differences and tests of the only metric under plain names."""
    found = tables(listed, cells, metrics, {"p": "Somewhere"}, MADE)
    for paper, (metric,) in metrics.items():
        if paper in found:
            found[paper] = found[paper].replace(f"{metric}_", "")
    return found


MADE = {"dataset": "shop", "content": "real", "seeds": 7}
LISTED = {
    name: {"paper": "p", "protocol": "temporal", "model": "sasrec", "settings": ""} for name in ("p_own", "p_b", "p_c")
}


def test_a_table_compares_with_the_paper_s_own(tmp_path: Path) -> None:
    ran(tmp_path, "p_own", [0, 0, 0, 1], [1, 2, 3, 4])
    ran(tmp_path, "p_b", [5, 9, 20, 7], [1, 2, 3, 4])
    rows = list(csv.DictReader(io.StringIO(tabled(LISTED, tmp_path, {"p": ["ndcg@10"]})["p"])))
    assert [row["cell"] for row in rows] == ["p_own", "p_b"]  # p_c was not run
    assert rows[0]["difference"] == ""
    assert float(rows[1]["difference"]) < -0.5
    assert float(rows[1]["p"]) < 0.05
    assert float(rows[1]["seconds_an_epoch"]) == 1.5


def test_a_table_can_be_read(tmp_path: Path) -> None:
    ran(tmp_path, "p_own", [0, 0, 0, 1], [1, 2, 3, 4])
    ran(tmp_path, "p_b", [5, 9, 20, 7], [1, 2, 3, 4])
    listed = LISTED | {"p_b": LISTED["p_b"] | {"settings": "models.sasrec.dim=8 models.sasrec.heads=1"}}
    listed["p_own"] = listed["p_own"] | {"published": {"ndcg@10": 0.625}, "ours": True}
    lines = markdown(tables(listed, tmp_path, {"p": ["auc"]}, {"p": "Somewhere"}, MADE)["p"]).splitlines()
    heads = "ndcg@10 | published ndcg@10 | published on | epochs | seconds | seconds an epoch | peak gib"
    tested = "auc difference | auc low | auc high | auc p holm | auc effect"
    assert lines[0] == f"| cell | settings | {heads} | {tested} |"
    assert lines[2] == "| p_own (ours) |  | 0.5 | 0.625 | Somewhere | 2 | 3.5 | 1.5 | 0.25 |  |  |  |  |  |"
    assert lines[3].startswith("| p_b | dim=8 heads=1 | 0.5 |  |  | 2 | 3.5 | 1.5 | 0.25 | -0.101 | -0.")
    assert len(lines) == 4


def test_a_row_says_what_it_took_and_how_it_is_made_anew(tmp_path: Path) -> None:
    ran(tmp_path / "papers/cells", "p_own", [0, 0, 0, 1], [1, 2, 3, 4])
    listed = {"p_own": LISTED["p_own"] | {"base": "++models.sasrec.dim=8", "settings": "++models.sasrec.heads=1"}}
    text = tables(listed, tmp_path / "papers/cells", {"p": ["auc"]}, {}, MADE)["p"]
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["epochs"], row["seconds"], row["seconds_an_epoch"]) == ("2", "3.5", "1.5")
    assert list(row)[-5:] == ["dataset", "content", "seeds", "base", "command"]
    assert [row[name] for name in list(row)[-5:-1]] == ["shop", "real", "7", "++models.sasrec.dim=8"]
    assert row["settings"] == "++models.sasrec.heads=1"
    words = row["command"].split()
    assert words == ["dvc", "--cd", str(tmp_path / "papers"), "repro", "cell@p_own"]
    assert (ROOT / "papers/dvc.yaml").exists(), "and that is where the project's own cells are listed"


def test_a_difference_has_its_interval(tmp_path: Path) -> None:
    """The bootstrap's of the gains: a paired t's, near enough, where there are many cases."""
    rng, users = np.random.default_rng(1), list(range(1, 301))
    places = {name: rng.integers(0, 12, 300).tolist() for name in ("p_own", "p_b")}
    for name, greater in places.items():
        ran(tmp_path, name, greater, users)
    _, row = csv.DictReader(io.StringIO(tabled(LISTED, tmp_path, {"p": ["auc"]})["p"]))
    found = ttest_rel(*(1 - np.array(places[name]) / 99 for name in ("p_b", "p_own"))).confidence_interval(0.95)
    assert [float(row["low"]), float(row["high"])] == pytest.approx([found.low, found.high], abs=0.001)
    assert float(row["low"]) < float(row["difference"]) < float(row["high"])


def test_metrics_of_a_paper_are_corrected_together_and_a_cell_for_figures_is_in_no_table(tmp_path: Path) -> None:
    users = list(range(1, 9))
    ran(tmp_path, "p_own", [0, 1, 0, 3, 0, 2, 1, 0], users)
    ran(tmp_path, "p_b", [5, 9, 7, 8, 6, 4, 3, 9], users)
    ran(tmp_path, "p_c", [0, 0], [1, 2])  # other cases, which nobody asks of it
    listed = LISTED | {"p_c": LISTED["p_c"] | {"shown": "figures"}}
    found = tables(listed, tmp_path, {"p": ["ndcg@10", "auc", "rmse"]}, {}, MADE)["p"]
    own, b = csv.DictReader(io.StringIO(found))
    assert (own["cell"], b["cell"]) == ("p_own", "p_b")
    for metric in ("ndcg@10", "auc"):
        assert float(b[f"{metric}_p_holm"]) >= float(b[f"{metric}_p"]) > 0
    small, great = sorted(("ndcg@10", "auc"), key=lambda metric: float(b[f"{metric}_p"]))
    assert float(b[f"{small}_p_holm"]) == pytest.approx(2 * float(b[f"{small}_p"]), rel=1e-4)
    assert b["rmse_p"] == ""  # neither predicts ratings
    assert float(b[f"{great}_p_holm"]) == pytest.approx(
        max(float(b[f"{great}_p"]), 2 * float(b[f"{small}_p"])), rel=1e-4
    )


@pytest.mark.parametrize("model", SYSTEMS)
def test_a_system_s_rows_are_the_paper_s_own_settings(model: str) -> None:
    printed: dict[str, dict[str, Any]] = {
        "ante_rnn": {"dim": 128, "window": 5, "words": "gru", "loss": "full", "lr": 0.001, "weight_decay": 0.0001},
        "iarn": {"dim": 25, "hidden": 64, "batch_size": 50},
        "iris": {"dim": 64, "length": 4000, "history": "others", "beta": 0.8, "alpha": 0, "negatives": 4, "lr": 0.001},
        "mahn": {"objective": "bpr", "dim": 50, "batch_size": 5, "lr": 0.001, "weight_decay": 0.0001},
        "min_net": {"objective": "bce_popular", "dim": 100, "inner": 512, "length": 50, "dropout": 0.1, "lr": 0.0001},
    }
    first = next(c for c in CELLS.values() if c["paper"] == model)
    params = read_yaml(ROOT / "params.yaml")
    for assignment in given(first):
        override(params, assignment)
    choice = Choice(name=model, settings=params["models"][model])
    found = models.configure(choice).model_dump() | models.learning(choice, params["train"]).model_dump()
    assert {key: found[key] for key in printed[model]} == printed[model]
    pinned = {assignment.partition("=")[0].rpartition(".")[2] for assignment in given(first)}
    assert printed[model].keys() | {"negatives"} <= pinned | {"ante_rnn": {"negatives"}}.get(model, set())
    assert models.learning(choice, params["train"]).decay == ("halved" if model == "mahn" else "none")


def configured(name: str) -> dict[str, Any]:
    """A cell's settings, whether it names them or leaves them to its model."""
    params, cell = read_yaml(ROOT / "params.yaml"), CELLS[name]
    for assignment in given(cell):
        override(params, assignment)
    return models.configure(Choice(name=cell["model"], settings=params["models"][cell["model"]])).model_dump()


PRINTED_OF_ALL = {  # what a paper prints of its own system and its rivals alike
    "ante_rnn": {"dim": 128},
    "iarn": {"dim": 25},
    "iris": {"dim": 64, "negatives": 4},
}
OTHERWISE = {  # rows that no paper prints, or prints with a number of their own
    "iris_bpr_mf": {"negatives": 1},
    **{f"iris_{row}_16": {"dim": 16} for row in ("multimodal", "image", "fism", "nais")},
}


@pytest.mark.parametrize("paper", PRINTED_OF_ALL)
def test_a_paper_s_rows_share_what_it_prints_of_all_of_them(paper: str) -> None:
    """Where the paper says so of all its rows, a rival of another width or of other draws is another model."""
    for name, cell in CELLS.items():
        if cell["paper"] != paper or cell.get("shown") == "figures":
            continue
        found, wanted = configured(name), PRINTED_OF_ALL[paper] | OTHERWISE.get(name, {})
        named = {assignment.partition("=")[0].removeprefix("++") for assignment in given(cell)}
        for key in wanted.keys() & found.keys():
            assert found[key] == wanted[key], f"{name}: {key}"
            assert f"models.{cell['model']}.{key}" in named, f"{name} leaves {key} to a default"


def test_a_rival_is_the_form_that_its_paper_compares_with() -> None:
    forms: dict[str, dict[str, Any]] = {
        "iris_vbpr": {"space": "shared", "item_bias": False, "visual_bias": False, "loss": "log", "negatives": 4},
        **{f"{paper}_vbpr": {"space": "separate", "loss": "bpr"} for paper in ("ante_rnn", "mahn", "min_net")},
        "ante_rnn_mlam": {"row": False, "bounds": {"image": 1, "word": 4, "sentence": 2, "personal": 1}},
        "ante_rnn_iarn": {"dim": 128, "loss": "ranking", "ratings": False},
        **{f"{paper}_mv_rnn": {"objective": "bpr", "fusion": "denoising"} for paper in ("ante_rnn", "mahn", "min_net")},
        "ante_rnn_dream": {"objective": "bpr", "cell": "gru"},
        "iris_fism": {"loss": "log", "history": "others", "length": 4000},
        "iris_nais": {"history": "others", "length": 4000},
        "iarn_mf": {"bias": "none"},
        "iarn_timesvd": {"exponent": 0.4, "bins": 30},
        "iarn_hievh": {"alpha": 0.01},
        "iarn_mp2vec": {"metadata": 0.1},
    }
    for name, form in forms.items():
        found = configured(name)
        assert {key: found[key] for key in form} == form, name
    page = (ROOT / "docs/models.md").read_text()
    told = re.search(r'"VBPR" of the IRIS paper.*?\| `(.*?)` \|', page)
    assert told
    for said in told[1].split(", "):
        key, _, value = said.partition(": ")
        assert str(configured("iris_vbpr")[key]).lower() == value, said


def test_what_a_table_prints_at_each_cut_off_is_there_at_each() -> None:
    """Ante-RNN's Table 4: its rows have both measures at five cut-offs, Tables 5 and 6 at 20 alone."""
    counts = [len(cell.get("published", {})) for cell in CELLS.values() if cell["paper"] == "ante_rnn"]
    assert sorted(set(counts)) == [0, 2, 10]
    assert counts.count(10) == 12
    for name, cell in CELLS.items():
        for measure in ("recall", "ndcg"):
            told = [cell.get("published", {}).get(f"{measure}@{k}") for k in (5, 10, 15, 20, 25)]
            read = [value for value in told if value is not None]
            assert read == sorted(read), f"{name}: a longer list holds what a shorter one does"


def test_a_form_that_its_paper_has_not_is_marked() -> None:
    for name, cell in CELLS.items():
        rows = configured(name).get("readings", {}).get("item_row", False) if cell["model"] == "ante_rnn" else False
        assert cell.get("ours", False) == rows, name


def test_the_simple_rivals_stand_in_every_paper_s_table() -> None:
    for paper in {cell["paper"] for cell in CELLS.values()}:
        there = {cell["model"] for cell in CELLS.values() if cell["paper"] == paper and not cell.get("shown")}
        assert {"popularity", "item_knn", "ease", "ials", "bpr_mf"} <= there, paper
        tuned = {cell["model"] for cell in TUNED.values() if cell["paper"] == paper}
        simple = (
            {"biases", "mf", "timesvd"} if paper == "iarn" else {"popularity", "item_knn", "ease", "ials", "bpr_mf"}
        )
        assert simple <= tuned, paper
    running = [cell for cell in TUNED.values() if cell["model"] == "biases"]
    assert all("++models.biases.person=history" in given(cell) for cell in running)


def test_the_simple_rivals_stand_beside_what_others_published() -> None:
    simple = {"popularity", "item_knn", "ease", "ials", "bpr_mf"}
    assert all(simple - {"bpr_mf"} <= set(one.models) for one in SETTINGS.values())
    assert simple <= set(RIVALS)


def test_a_cell_that_ended_at_its_cap_is_marked_and_enters_no_test(tmp_path: Path) -> None:
    users = list(range(1, 9))
    ran(tmp_path, "p_own", [0, 1, 0, 3, 0, 2, 1, 0], users)
    ran(tmp_path, "p_b", [5, 9, 7, 8, 6, 4, 3, 9], users, capped=1)
    ran(tmp_path, "p_c", [5, 8, 6, 7, 4, 9, 3, 6], users)
    text = tabled(LISTED, tmp_path, {"p": ["ndcg@10"]})["p"]
    own, b, c = csv.DictReader(io.StringIO(text))
    assert (b["ended_at_cap"], b["difference"], b["p"], b["p_holm"]) == ("1", "", "", "")
    assert float(c["p_holm"]) == float(c["p"]) < 0.05  # corrected for the one test that there is
    assert own["ended_at_cap"] == c["ended_at_cap"] == "0"
    lines = markdown(text).splitlines()
    assert "| 2† |" in lines[3]
    assert all("†" not in lines[place] for place in (2, 4))
    assert lines[-1] == "† ended at its last epoch: enters no test"
    ran(tmp_path, "p_own", [0, 1, 0, 3, 0, 2, 1, 0], users, capped=1)
    assert all(row["p"] == "" for row in csv.DictReader(io.StringIO(tabled(LISTED, tmp_path, {"p": ["ndcg@10"]})["p"])))


def test_ratings_are_compared_over_events(tmp_path: Path) -> None:
    squared = {"p_own": [0.0, 1.0, 4.0, 1.0], "p_b": [1.0, 4.0, 4.5, 2.0]}
    for name, values in squared.items():
        ran(tmp_path, name, [0, 1], [1, 2])
        rows = [(1, place, 9, value, value**0.5, False) for place, value in enumerate(values)]
        frame = pl.DataFrame(rows, schema=dict(ERRORS.columns), orient="row")
        store.write(frame, tmp_path / name / "ranks" / "errors.parquet", ERRORS)
    ran(tmp_path, "p_c", [0, 1], [1, 2])  # a model that predicts no ratings
    _, row, silent = csv.DictReader(io.StringIO(tabled(LISTED, tmp_path, {"p": ["rmse"]})["p"]))
    assert (silent["cell"], silent["difference"], silent["p"]) == ("p_c", "", "")
    assert float(row["difference"]) == pytest.approx((1 + 3 + 0.5 + 1) / 4, rel=1e-5)
    assert float(row["p"]) == pytest.approx(ttest_rel(squared["p_b"], squared["p_own"]).pvalue, rel=1e-4)
    store.write(frame[:3], tmp_path / "p_b" / "ranks" / "errors.parquet", ERRORS)
    with pytest.raises(ValueError, match="ranked other cases: 3 of 4"):
        tabled(LISTED, tmp_path, {"p": ["rmse"]})


@pytest.mark.parametrize("name", CELLS | TUNED)
def test_every_cell_learns_by_its_table_s_one_rule(name: str) -> None:
    """The patience that a late climber needs; weights, and the systems' own batches, as the papers have them, or all by
    one rule: what a paper compares with gets as many steps as anywhere.
    """
    cell, params = (CELLS | TUNED)[name], read_yaml(ROOT / "params.yaml")
    for assignment in given(cell):
        override(params, assignment)
    choice = Choice(name=cell["model"], settings=params["models"][cell["model"]])
    learning = models.learning(choice, params["train"])
    assert learning.patience >= 20
    if "train" in choice.settings:
        assert learning.average == (0 if name in CELLS else 0.1)
        assert learning.steps == (0 if name in CELLS and cell["model"] in SYSTEMS else 100)
        assert learning.decay == ("halved" if name in CELLS and cell["model"] == "mahn" else "none")
        assert learning.epochs >= 200


def test_cells_of_other_cases_are_refused(tmp_path: Path) -> None:
    ran(tmp_path, "p_own", [0, 0], [1, 2])
    ran(tmp_path, "p_c", [0, 0], [1, 3])
    with pytest.raises(ValueError, match="p_c and p_own ranked other cases: 1 of 2"):
        tabled(LISTED, tmp_path, {"p": ["ndcg@10"]})


def test_cells_of_more_cases_or_of_other_rivals_are_refused(tmp_path: Path) -> None:
    ran(tmp_path, "p_own", [0, 0], [1, 2])
    ran(tmp_path, "p_b", [0, 0, 9], [1, 2, 3])  # whose reading is over the third as well
    with pytest.raises(ValueError, match="p_b and p_own ranked other cases: 2 of 3 are common"):
        tabled(LISTED, tmp_path, {"p": ["ndcg@10"]})
    ran(tmp_path, "p_b", [0, 0], [1, 2], [99, 999])
    with pytest.raises(ValueError, match="p_b and p_own ranked 1 of 2 cases among other numbers of items; one"):
        tabled(LISTED, tmp_path, {"p": ["ndcg@10"]})


@pytest.mark.parametrize("wrong", [None, "ndcg@10", [], {"ndcg@10": 1}])
def test_metrics_that_are_no_list_are_refused(tmp_path: Path, wrong: Any) -> None:
    ran(tmp_path, "p_own", [0, 0], [1, 2])
    ran(tmp_path, "p_b", [5, 9], [1, 2])
    with pytest.raises(ValueError, match=r"metrics: p is .*, expected a list of some; e\.g\. p: \[ndcg@10\]"):
        tables(LISTED, tmp_path, {"p": wrong}, {}, MADE)


def test_a_reading_that_is_no_number_is_named(tmp_path: Path) -> None:
    ran(tmp_path, "p_own", [0, 0], [1, 2])
    (tmp_path / "p_own" / "test.json").write_text('{"ndcg@10": "x"}')
    with pytest.raises(ValueError, match=r"p_own/test\.json: expected numbers by name, ndcg@10 is 'x'"):
        tabled(LISTED, tmp_path, {"p": ["ndcg@10"]})


def test_each_paper_has_its_metric(tmp_path: Path) -> None:
    ran(tmp_path, "p_own", [0, 0, 0, 1], [1, 2, 3, 4])
    ran(tmp_path, "p_b", [5, 9, 20, 7], [1, 2, 3, 4])
    found = {
        metric: list(csv.DictReader(io.StringIO(tabled(LISTED, tmp_path, {"p": [metric]})["p"])))[1]["difference"]
        for metric in ("ndcg@10", "auc")
    }
    assert float(found["auc"]) == pytest.approx(-(5 + 9 + 20 + 6) / 4 / 99, abs=1e-4)
    assert found["ndcg@10"] != found["auc"]
    with pytest.raises(ValueError, match="metrics: none for p, found q"):
        tabled(LISTED, tmp_path, {"q": ["auc"]})
    assert set(read_yaml(ROOT / "papers/cells.yaml")["metrics"]) == {cell["paper"] for cell in CELLS.values()}


def test_a_table_without_its_first_cell_tests_nothing_and_still_refuses_other_cases(tmp_path: Path) -> None:
    ran(tmp_path, "p_b", [0, 5, 9], [1, 2, 3])
    ran(tmp_path, "p_c", [7, 8, 9], [1, 2, 3])
    text = tabled(LISTED, tmp_path, {"p": ["ndcg@10"]})["p"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["cell"], row["ndcg@10"], row["p"]) for row in rows] == [("p_b", "0.5", ""), ("p_c", "0.5", "")]
    assert "difference" not in markdown(text)
    ran(tmp_path, "p_c", [7, 8, 9], [1, 2, 4], capped=1)
    with pytest.raises(ValueError, match="p_c and p_b ranked other cases: 2 of 3"):
        tabled(LISTED, tmp_path, {"p": ["ndcg@10"]})


def test_one_case_is_shown_and_not_tested(tmp_path: Path) -> None:
    ran(tmp_path, "p_own", [0], [1])
    ran(tmp_path, "p_b", [5], [1])
    for name, squared in (("p_own", 1.0), ("p_b", 4.0)):
        frame = pl.DataFrame([(1, 3, 9, squared, squared**0.5, False)], schema=dict(ERRORS.columns), orient="row")
        store.write(frame, tmp_path / name / "ranks" / "errors.parquet", ERRORS)
    for metric in ("ndcg@10", "rmse"):
        rows = list(csv.DictReader(io.StringIO(tabled(LISTED, tmp_path, {"p": [metric]})["p"])))
        assert [row["p"] for row in rows] == ["", ""]


def command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["paper_tables", str(folder / "cells.yaml"), str(folder / "cells"), str(folder)])
    paper_tables.main()


def test_what_one_paper_cannot_have_leaves_the_tables_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ratings that the demo lacks: the first of iarn has no row there, its rivals that rank have."""
    listed = LISTED | {name: LISTED["p_b"] | {"paper": "q"} for name in ("q_own", "q_b")}
    listed |= {name: LISTED["p_b"] | {"paper": "r"} for name in ("r_own", "r_b")}
    papers = {"cells": listed, "metrics": {paper: ["ndcg@10"] for paper in "pqr"}, "published_on": {}}
    (tmp_path / "cells.yaml").write_text(json.dumps(papers))
    with pytest.raises(SystemExit, match="does not say dataset, content, seed"):
        command(tmp_path, monkeypatch)
    papers |= {"dataset": "shop", "content": "none", "seed": 1}
    (tmp_path / "cells.yaml").write_text(json.dumps(papers))
    command(tmp_path, monkeypatch)
    assert "none of the cells of" in capsys.readouterr().out
    for name in ("p_b", "p_c", "q_own", "q_b", "r_own", "r_b"):
        ran(tmp_path / "cells", name, [0, 5], [1, 2])
    (tmp_path / "cells" / "q_b" / "cost.json").unlink()
    with pytest.raises(SystemExit, match=r"compare: q: .*q_b/cost\.json is not whole"):
        command(tmp_path, monkeypatch)
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["p.csv", "r.csv"]
    told = capsys.readouterr().out
    assert f"p_own was not run, so nothing is tested: `dvc --cd {tmp_path} repro cell@p_own` runs it" in told
    assert "r_own was not run" not in told
    assert told.endswith(f"dataset shop, content none, seeds 1; a row anew: `dvc --cd {tmp_path} repro cell@<cell>`\n")


ONE = "cells: {{p_b: {{paper: p, protocol: q, model: ease, settings: '', {}}}}}\nmetrics: {{}}\npublished_on: {{}}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("figures: {}", r"cells\.yaml has no part 'cells'; it has figures"),
        (
            "cells: {p_b: {paper: p, model: ease}}\nmetrics: {}\npublished_on: {}",
            r"cells\.p_b\.protocol: Field required",
        ),
        (ONE.format("shown: figure"), r"cells\.p_b\.shown: Input should be 'figures' or 'everywhere' \(found 'figure'"),
        (ONE.format("publishd: {}"), r"cells\.p_b\.publishd: .*known keys: .*published, published_on"),
        (ONE.format("published: 0.5"), r"cells\.p_b\.published: Input should be a valid dictionary"),
        ("cells: [1", r"cells\.yaml does not parse"),
    ],
)
def test_a_list_of_cells_that_is_none_is_refused_by_name(
    text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=r"No such file"):
        command(tmp_path, monkeypatch)
    (tmp_path / "cells.yaml").write_text(text)
    with pytest.raises(SystemExit, match=why):
        command(tmp_path, monkeypatch)


def test_each_cell_is_tested_against_its_own_paper_s_first_and_corrected(tmp_path: Path) -> None:
    users = list(range(1, 9))
    gains = {
        name: [1 / math.log2(place + 2) for place in places]
        for name, places in {
            "p_own": [0, 1, 0, 3, 0, 2, 1, 0],
            "p_b": [1, 1, 2, 3, 1, 4, 1, 2],
            "p_c": [5, 8, 6, 7, 4, 9, 3, 6],
            "q_own": [8, 2, 9, 1, 0, 6, 5, 3],
            "q_b": [9, 2, 8, 1, 1, 6, 5, 2],
        }.items()
        if not ran(tmp_path, name, places, users)
    }
    listed = LISTED | {name: LISTED["p_own"] | {"paper": "q"} for name in ("q_own", "q_b")}
    found = tabled(listed, tmp_path, {"p": ["ndcg@10"], "q": ["ndcg@10"]})
    rows = {row["cell"]: row for text in found.values() for row in csv.DictReader(io.StringIO(text))}
    assert {paper: text.count("\n") - 1 for paper, text in found.items()} == {"p": 3, "q": 2}
    for name, first, times in (("p_b", "p_own", 1), ("p_c", "p_own", 2), ("q_b", "q_own", 1)):
        change = np.subtract(gains[name], gains[first])
        assert float(rows[name]["difference"]) == pytest.approx(change.mean(), rel=1e-4)
        assert float(rows[name]["effect"]) == pytest.approx(change.mean() / change.std(ddof=1), rel=1e-4)
        p = ttest_rel(gains[name], gains[first]).pvalue
        assert float(rows[name]["p"]) == pytest.approx(p, rel=1e-4)
        assert float(rows[name]["p_holm"]) == pytest.approx(times * p, rel=1e-4)


def test_a_case_that_one_side_cannot_measure_is_left_out_and_a_metric_of_no_case_is_refused(tmp_path: Path) -> None:
    users = [1, 2, 3, 4]
    ran(tmp_path, "p_own", [0, 10, 0, 5], users)
    ran(tmp_path, "p_b", [9, 20, 0, 50], users, [99, 99, 0, 99])
    (_, row) = csv.DictReader(io.StringIO(tabled(LISTED, tmp_path, {"p": ["auc"]})["p"]))
    assert float(row["difference"]) == pytest.approx(-(9 + 10 + 45) / 99 / 3, rel=1e-4)
    with pytest.raises(ValueError, match="coverage is no mean over cases"):
        tabled(LISTED, tmp_path, {"p": ["coverage"]})
