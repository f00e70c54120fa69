"""Every setting says what it is, and docs/settings.md is what the command prints."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.tables.params import lookup, read_yaml
from stages import settings
from stages.settings import HEADS, names, record, rows

ROOT = Path(__file__).parents[2]
PARAMS = read_yaml(ROOT / "params.yaml")
ANY = {"minimum_rating"}  # ratings may be of any size and sign


@pytest.mark.parametrize("section", names(PARAMS))
def test_every_setting_is_explained(section: str) -> None:
    for name, _, _, may, what in rows(record(section, PARAMS), lookup(PARAMS, section)):
        assert len(what) > 8, f"{section}.{name} has no description"
        assert may, f"{section}.{name}"


@pytest.mark.parametrize("section", names(PARAMS))
def test_every_number_has_a_range(section: str) -> None:
    for name, _, _, may, _ in rows(record(section, PARAMS), lookup(PARAMS, section)):
        assert may not in ("int", "float") or name in ANY, f"{section}.{name}: any {may} would do?"
        assert "Annotated" not in may, f"{section}.{name}: {may}"


def test_a_choice_of_kinds_tells_the_bounds_of_each() -> None:
    found = {name: may for name, _, _, may, _ in rows(record("protocols.temporal", PARAMS), {})}
    assert (found["candidates"], found["cases"]) == ("int ≥ 0 or given", "int ≥ 0 or none")
    found = {name: may for name, _, _, may, _ in rows(record("models.ease", PARAMS), {})}
    assert found["penalty"] == "float > 0 or list of float > 0"


def test_the_page_is_what_the_command_prints() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stages.settings", "--markdown"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    page = (ROOT / "docs/settings.md").read_text()
    assert page.endswith(done.stdout), "run: python -m stages.settings --markdown, and put it into docs/settings.md"


def test_one_section_is_printed_and_an_unknown_one_is_refused() -> None:
    command = [sys.executable, "-m", "stages.settings"]
    done = subprocess.run([*command, "models.sasrec"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "heads" in done.stdout
    assert "gru4rec" not in done.stdout
    done = subprocess.run([*command, "models.sasrek"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode
    assert "no section 'models.sasrek'; there are datasets.demo" in done.stderr


def test_the_heads_are_as_many_as_the_cells() -> None:
    assert all(len(row) == len(HEADS) for row in rows(record("train", PARAMS), PARAMS["train"]))


WHOLE = (ROOT / "params.yaml").read_text()
MINE = (ROOT / "params.yaml").read_text().replace("datasets:\n", "datasets:\n  mine: {source: nosuch}\n", 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "No such file"),
        ("models: [1", "does not parse"),
        (MINE, "nosuch"),
        ("# Größe\n", r"params\.yaml is not in UTF-8: .* at byte 4; save it so"),
        (WHOLE.partition("\nmodels:")[0], "params.yaml has no 'models'"),
        (WHOLE.replace("contents:\n", "contents:\n  mine: none\n", 1), "contents.mine is 'none', expected sections"),
        (
            WHOLE.replace("contents:\n", "contents:\n  mine: {txt: {}}\n", 1),
            "mine.txt: no stage reads it; .*text, topics",
        ),
    ],
    ids=["no", "half", "odd", "Latin-1", "lacking", "scalar", "misspelt"],
)
def test_what_holds_no_settings_is_refused_in_a_line(
    text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text:
        (tmp_path / "params.yaml").write_bytes(text.encode("latin-1"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["settings", "datasets.mine"])
    with pytest.raises(SystemExit, match=f"settings: .*{why}"):
        settings.main()


@pytest.mark.parametrize("stage", ["ingest", "regions", "images", "text", "split", "topics", "train", "explain"])
def test_every_stage_that_draws_refuses_a_seed_that_no_generator_takes(stage: str) -> None:
    field = settings._stage(stage).Params.model_fields["seed"]
    bounds = {name: getattr(one, name) for one in field.metadata for name in ("ge", "lt") if hasattr(one, name)}
    assert bounds == {"ge": 0, "lt": 2**32}
