"""docs/tutorial.md tells the truth: its commands run as written, its warnings are the code's, its tables hold."""

import ast
import csv
import json
import re
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import polars as pl
import pytest
from PIL import Image

import models
from docs.shop import make
from engine.tables.params import read_yaml
from engine.tables.settings import Choice
from tests.clone import ROOT, copied, done, environment
from tests.test_docs import blocks

PAGE = ROOT / "docs" / "tutorial.md"
INSTALL = ["make environment", "source .venv/bin/activate"]
ROOMS = ("stages/ingest/reading", "stages/ingest/shaping", "stages/crawl", "stages/split", "stages/topics")
ROOMS = (*ROOMS, "engine/training", "engine/features")
FILES = ("stages/ingest/sources/table.py", "stages/train.py")
ELSEWHERE = {"stages/ingest/reading/download.py"}  # MovieLens alone is downloaded


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A clone in which every line of the page has been run but those that install and serve; and what each printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    copied(folder, lambda name: not name.startswith(("tests/", "papers/", "dvc.lock", "metrics/")))
    done(folder, "git", "init", "--quiet", "--initial-branch", "main")
    done(folder, "git", "add", "--all")
    done(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "cloned")
    lines = [re.sub(r"\s+", " ", line).strip() for line in blocks(PAGE)]
    assert lines[:2] == INSTALL
    assert lines[-1].startswith("python -m serving web")
    return folder, {line: done(folder, "bash", "-c", line) for line in lines[2:-1]}


@pytest.mark.timeout(1800)  # the first that asks waits for all lines
def test_the_shop_is_learnt_by_the_line_that_the_page_gives(learnt: tuple[Path, dict[str, str]]) -> None:
    folder, told = learnt
    found = json.loads((folder / "metrics" / "data.json").read_text())
    assert f"{found['users']} customers, {found['items']} products, {found['events']:,} purchases" in PAGE.read_text()
    assert (found["without_text"], found["without_picture"]) == (1, 2)
    test = json.loads((folder / "metrics" / "test.json").read_text())
    counted = json.loads((folder / "build" / "popularity" / "test.json").read_text())
    assert test["recall@10"] > counted["recall@10"] + 0.05, "what is learnt beats counting"
    rows = list(csv.DictReader((folder / "data/table/recommendations.csv").read_text().splitlines()))
    assert len(rows) == 10 * found["users"]
    because = [row["because"] for row in rows if row["because"]]
    assert len(because) > found["users"]
    assert all(sentence.startswith("because ") for sentence in because)
    page = (folder / "data/table/reasons/index.html").read_text()
    assert page.count("<article id=") == 12
    assert "photo" in page.lower()
    learning = next(text for line, text in told.items() if line.startswith("dvc exp run"))
    for line in learning.splitlines():
        if "WARNING" in line and "No file hash info" not in line:
            assert any(words(quote) <= words(line) for quote in quotes("warning")), f"the page does not tell of: {line}"


@pytest.mark.timeout(1800)
def test_a_customer_and_somebody_new_are_answered(learnt: tuple[Path, dict[str, str]]) -> None:
    answers = [(line, text) for line, text in learnt[1].items() if line.startswith("python -m serving ")]
    assert [re.split(" ", line)[3] for line, _ in answers] == ["recommend", "why-not", "recommend"]
    known = {row["sku"] for row in csv.DictReader((ROOT / "docs/shop/items.csv").read_text().splitlines())}
    for line, text in answers:
        if " recommend " in line:
            shown = re.findall(r"^│ \d +│ (\S+) +│", text, re.M)
            assert len(shown) == 5, text
            assert set(shown) <= known
            assert "because " in text
        else:
            assert re.search(r"^Sweet Basil \(herb-01\): rank \d+", text, re.M), text


@pytest.mark.timeout(1800)
def test_the_app_serves_the_shop(learnt: tuple[Path, dict[str, str]]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = f"exec {blocks(PAGE)[-1].strip()} --port {port}"  # another program may hold the page's own
    process = subprocess.Popen(["bash", "-c", line], cwd=learnt[0], env=environment(learnt[0]))
    try:
        until = time.monotonic() + 90
        while True:
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < until
            try:
                with urlopen(f"http://127.0.0.1:{port}/health") as answer:
                    health = json.load(answer)
                break
            except URLError:
                time.sleep(0.2)
        assert health["models"] == ["ante_rnn"]
        asked = json.dumps({"history": {"user": "c0007"}, "top": 3}).encode()
        request = Request(f"http://127.0.0.1:{port}/recommend", asked, {"content-type": "application/json"})
        with urlopen(request) as answer:
            assert len(json.load(answer)["recommendations"]) == 3
    finally:
        process.terminate()
        process.wait()


def test_the_shop_is_what_its_few_lines_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "HERE", tmp_path)
    make.main()
    shop = ROOT / "docs" / "shop"
    for name in ("events.csv", "items.csv"):
        assert (tmp_path / name).read_bytes() == (shop / name).read_bytes(), "run python docs/shop/make.py"
    made = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert made == sorted(path.name for path in (shop / "pictures").iterdir())
    for name in made:
        one, other = (Image.open(folder / "pictures" / name).convert("RGB") for folder in (tmp_path, shop))
        assert one.tobytes() == other.tobytes(), name
    named = pl.read_csv(shop / "items.csv")["photo"].drop_nulls().to_list()
    assert sorted(named) == [f"pictures/{name}" for name in made]
    assert f"{len(made)} photos" in PAGE.read_text()


def quotes(head: str) -> list[str]:
    """What the second column of the tables with that head quotes."""
    found, inside = [], False
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif len(cells) > 1 and cells[1] == head:
            inside = True
        elif inside and not set(line) <= set("|- "):
            found.append(cells[1].strip("`"))
    return found


def words(text: str) -> set[str]:
    """Its words, without figures and names."""
    return set(re.findall(r"[A-Za-z]{3,}", text))


def spoken(path: Path, warns: bool) -> dict[str, set[str]]:
    """The words of the constants in each function of a file; `warns`: of those that warn."""
    found = {}
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            calls = {ast.unparse(n.func).split(".")[-1] for n in ast.walk(node) if isinstance(n, ast.Call)}
            if not warns or calls & {"warning", "warn_many"}:
                constants = [
                    n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                ]
                found[f"{path.relative_to(ROOT)}:{node.name}"] = set().union(*map(words, constants))
    return found


def sources(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def test_every_warning_is_told_and_none_is_made_up() -> None:
    paths = [path for path in sources(*ROOMS) if str(path.relative_to(ROOT)) not in ELSEWHERE]
    warning = {name: said for path in [*paths, *(ROOT / f for f in FILES)] for name, said in spoken(path, True).items()}
    told = quotes("warning")
    assert len(told) > 20
    for quote in told:
        assert any(words(quote) <= said for said in warning.values()), f"nothing warns so: {quote}"
    for name, said in warning.items():
        if name.endswith(":warn_many"):
            continue  # which is told what to say
        assert any(words(quote) <= said for quote in told), f"{name} warns of what the page does not tell"


def test_what_stops_a_run_is_said_by_the_code() -> None:
    said = [one for path in sources("stages", "engine") for one in spoken(path, False).values()]
    refusals = quotes("it says")
    assert len(refusals) >= 5
    for quote in refusals:
        assert any(words(quote) <= one for one in said), quote


def test_what_each_model_needs_is_what_its_settings_say() -> None:
    params = read_yaml(ROOT / "params.yaml")
    told = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 2:
            names = re.findall(r"`(\w+)`", cells[0])
            if set(names) <= set(params["models"]):
                told |= dict.fromkeys(names, cells[1])
    assert set(told) == set(params["models"])
    for name, said in told.items():
        needs = models.configure(Choice(name=name, settings=params["models"][name])).needs
        wanted = {
            "categories": "categories" in needs.views,
            "(`images`)": "image" in needs.views,
            "texts (words)": "words" in needs.views,
            "texts": bool({"text", "words"} & needs.views),
            "regions": "regions" in needs.views,
            "topics": needs.topics or "topics" in needs.views,
            "ratings": needs.predicts == "rating",
        }
        assert {word for word, is_so in wanted.items() if is_so} == {word for word in wanted if word in said}, name
        assert not needs.times or "times" in said, name
