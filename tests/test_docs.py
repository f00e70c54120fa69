"""The pages tell the truth: their commands name modules, paths and params that are there, and read what they say."""

import gzip
import importlib.util
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import bson
import pytest
from ruamel.yaml import YAML

from engine.tables.layout import Layout
from engine.tables.params import declared, lookup, override, read_yaml
from engine.tables.settings import checked
from serving.arguments import parsed
from stages.check import names, raw_files, sections
from stages.ingest.__main__ import Params, tables

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SET = re.compile(r"""-S (?:'([^']+)'|"([^"]+)"|([^\s`'"]+))""")
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
PEOPLE, THINGS, DAY = 4, 21, 1_400_000_000


def blocks(page: Path) -> list[str]:
    """The lines of command blocks, continued ones joined."""
    found = re.findall(r"^```\w*\n(.*?)^```", page.read_text().replace("\\\n", " "), re.M | re.S)
    return [line.partition("  #")[0] for block in found for line in block.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_param_of_a_command_is_there(page: Path) -> None:
    stages = [shlex.split(line) for line in blocks(page) if re.match(r"python -m stages\.\w+ ", line)]
    named = ["".join(found) for found in SET.findall(page.read_text())]
    for words in stages:
        named += [word for word in words[3:] if re.match(r"\+?\w[\w.]*=", word)]
    for one in named:
        params, (key, _, text) = read_yaml(ROOT / "params.yaml"), one.partition("=")
        override(params, one)  # which refuses a param that is not there
        assert lookup(params, key.lstrip("+")) == YAML(typ="safe").load(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_and_path_of_a_command_is_there(page: Path) -> None:
    for line in blocks(page):
        for module in re.findall(r"python -m ((?:stages|benchmarks)[\w.]*)", line):
            assert importlib.util.find_spec(module), line
        if (run := re.match(r"(?:torchrun .*)?(?:python )?-m stages\.(\w+) (\S+)", line)) and run[1] in STAGES:
            assert run[2].startswith("data/"), f"{line}: the first argument is where the data lie"
            known = {f"--{field.name}" for field in fields(Layout)}
            assert set(re.findall(r"--[\w-]+", line.partition("-m stages.")[2])) <= known, line


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        to = page.parent / link if link else page
        assert to.exists(), link
        assert not heading or heading in anchors(to), f"{link}#{heading}"


def anchors(page: Path) -> set[str]:
    """What GitHub makes of its headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_that_asks_a_model_is_understood() -> None:
    lines = [line for page in PAGES for line in blocks(page) if line.startswith("python -m serving ")]
    assert len(lines) >= 8
    for line in lines:
        parsed(shlex.split(line)[3:])  # which ends where it does not know an argument


CARD: dict[str, dict[str, Any]] = json.loads((ROOT / "benchmarks" / "results" / "cuda-h100.json").read_text())
WAYS = ("fp32", "tf32", "bf16", "tf32_compiled")


def test_what_a_card_took_is_what_the_file_says() -> None:
    """The tables of docs/gpu.md, digit for digit."""
    page = (ROOT / "docs" / "gpu.md").read_text()
    rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:3] == "| `"
    ]
    fits, epochs = {r[0]: r[1:] for r in rows if len(r) == 4}, {r[0]: r[1:] for r in rows if len(r) == 5}
    assert {f"{name}.bf16-mixed" for name in fits} == {name for name in CARD["fits"] if "bf16" in name}
    for name, shown in fits.items():
        full, mixed = (CARD["fits"][f"{name}.{way}"] for way in ("32-true", "bf16-mixed"))
        most = max(full["peak_gib"], mixed["peak_gib"])
        assert shown == [f"{x:.2f}" for x in (full["seconds_an_epoch"], mixed["seconds_an_epoch"], most)], name
    assert len(epochs) == 3
    for name, shown in epochs.items():
        found = [CARD["epochs"].get(f"{name}.{way}") for way in WAYS]
        assert shown == [f"{x['seconds_an_epoch']:.2f} ({x['first_epoch']:.2f})" if x else "–" for x in found], name
    worst = CARD["equality"]["worst"]
    for bits, name in (("32 bits", "float32"), ("bf16", "bfloat16")):
        readings = [worst[name].get(of) for of in ("loss", "gradient", "score", "influence")]
        assert f"| {bits} | {' | '.join('–' if x is None else f'{x:.1e}' for x in readings)} |" in page
    work = CARD["extraction"]
    for number in (
        f"{work['pictures']['images_a_second']:,.0f} a second",
        f"{work['regions']['images_a_second']:.0f} a second",
        f"{work['texts']['tokens_a_second']:,} word pieces a second",
        f"{CARD['ranking']['rows_8192_fp32']['seconds']:.2f} s (8,192 rows at once)",
        f"{CARD['epochs']['size']['events']:,} events",
    ):
        assert number in page, number


def movielens(folder: Path, release: str) -> dict[str, str]:
    """People 1 … each rate every film."""
    folder.mkdir()
    dat = release == "ml-1m"
    rows = [(u, i, 4, DAY + u * 100 + i) for u in range(1, PEOPLE + 1) for i in range(1, THINGS + 1)]
    films = [(i, f"Film {i} (1999)", "Drama|Comedy") for i in range(1, THINGS + 1)]
    heads = {"ratings": "userId,movieId,rating,timestamp", "movies": "movieId,title,genres"}
    for name, lines in (("ratings", rows), ("movies", films)):
        text = "\n".join(("::" if dat else ",").join(map(str, line)) for line in lines) + "\n"
        (folder / f"{name}.{'dat' if dat else 'csv'}").write_text(text if dat else f"{heads[name]}\n{text}")
    links = "".join(f"{i},{i:07},{i}\n" for i in range(1, THINGS + 1))
    (folder / "links.csv").write_text(f"movieId,imdbId,tmdbId\n{links}")
    return {"folder": str(folder)}


def pinterest(folder: Path, _: str) -> dict[str, str]:
    folder.mkdir()
    pins = [str(i) for i in range(1, THINGS + 1)]
    files = {
        "board_pins": [{"board_id": str(u), "board_url": f"/u{u}/b/", "pins": pins} for u in range(1, PEOPLE + 1)],
        "pin_im": [{"pin_id": pin, "im_name": f"p{pin}", "im_url": f"http://x.com/{pin}.jpg"} for pin in pins],
        "board_cate": [{"board_id": str(u), "cate_id": "1"} for u in range(1, PEOPLE + 1)],
    }
    for name, records in files.items():
        (folder / f"subset_iccv_{name}.bson").write_bytes(b"".join(map(bson.encode, records)))
    (folder / "categories.txt").write_text("food\n")
    return {"folder": str(folder)}


def netflix(folder: Path, _: str) -> dict[str, str]:
    inner = folder / "training_set"
    inner.mkdir(parents=True)
    for film in range(1, THINGS + 1):
        days = "".join(f"{user},4,2005-01-{film:02}\n" for user in range(1, PEOPLE + 1))
        (inner / f"mv_{film:07}.txt").write_text(f"{film}:\n{days}")
    (folder / "movie_titles.csv").write_text("".join(f"{i},1999,Film {i}\n" for i in range(1, THINGS + 1)))
    return {"folder": str(folder)}


def amazon(folder: Path, command: str) -> dict[str, str]:
    """The dumps of 2014: JSON reviews or bare ratings, products as Python literals."""
    folder.mkdir()
    events = [(f"A{u}", f"{i:010}", 5.0, DAY + u * 100 + i) for u in range(1, PEOPLE + 1) for i in range(1, THINGS + 1)]
    if ".csv" in command:
        reviews = folder / "ratings_X.csv"
        reviews.write_text("".join(f"{u},{i},{r},{t}\n" for u, i, r, t in events))
    else:
        reviews = folder / "reviews_X_5.json.gz"
        names = ("reviewerID", "asin", "overall", "unixReviewTime")
        reviews.write_bytes(
            gzip.compress("".join(json.dumps(dict(zip(names, e, strict=True))) + "\n" for e in events).encode())
        )
    products = [
        {"asin": f"{i:010}", "title": "It's", "imUrl": "http://x.com/1.jpg", "categories": [["Shoes"]]}
        for i in range(1, THINGS + 1)
    ]
    meta = folder / "meta_X.json.gz"
    meta.write_bytes(gzip.compress("".join(f"{product!r}\n" for product in products).encode()))
    return {"reviews": str(reviews), "metadata": str(meta)}


MAKERS: dict[str, Callable[[Path, str], dict[str, str]]] = {
    "movielens": movielens, "pinterest": pinterest, "netflix": netflix, "amazon": amazon,
}  # fmt: skip
COMMANDS = re.findall(r"`(-S dataset=.*?)` \|$", (ROOT / "docs" / "data.md").read_text(), re.M)
RUNS = [line for page in PAGES for line in [*blocks(page), *re.findall(r"`(dvc exp run .*?)`", page.read_text())]]


def chosen(command: str) -> dict[str, Any]:
    """params.yaml as a command sets it, of names and sections that `check` passes."""
    params = read_yaml(ROOT / "params.yaml")
    for found in SET.findall(command):
        override(params, "".join(found))
    names(params)
    sections(params, read_yaml(ROOT / "dvc.yaml"))
    return params


@pytest.mark.parametrize("command", sorted({line for line in RUNS if re.match("dvc exp run .*-S ", line)}))
def test_every_run_passes_the_check(command: str) -> None:
    assert chosen(command)["dataset"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_papers_dataset_is_read_by_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    params = chosen(command)
    source = params["dataset"]
    section = params["datasets"][source]
    made = MAKERS[source](tmp_path / "raw", section.get("release", "") if source == "movielens" else command)
    assert set(made) <= set(section)
    section |= made
    assert raw_files(params)
    raw, _ = tables(checked(Params, declared("ingest", params, read_yaml(ROOT / "dvc.yaml")), "ingest"))
    assert (raw.events.height, raw.users.height, raw.items.height) == (PEOPLE * THINGS, PEOPLE, THINGS)
