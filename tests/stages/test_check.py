"""check: wrong names and settings are refused by name; raw files are noted by size and digest."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.tables import digests
from engine.tables.layout import Layout
from engine.tables.params import override, read_yaml
from stages import check
from stages.check import Params, main, names, raw_files, sections

ROOT = Path(__file__).parents[2]
PIPELINE = read_yaml(ROOT / "dvc.yaml")


@pytest.fixture
def params() -> dict[str, Any]:
    return read_yaml(ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model=sasrek", r"model is 'sasrek'; did you mean 'sasrec'\? There are .*ante_rnn.*sasrec"),
        ("dataset=moovielens", r"dataset is 'moovielens'; did you mean 'movielens'\?"),
        ("protocol=zzz", r"protocol is 'zzz'\. There are .*leave_one_out.*temporal"),
        ("content=reel", r"content is 'reel'; did you mean 'real'\? There are demo, none, real"),
        ("dataset=[demo, table]", r"dataset is \['demo', 'table'\]\. There are amazon"),
        ("datasets=5", r"datasets is 5, expected sections"),
    ],
)
def test_a_wrong_scalar_is_refused_with_the_names_that_exist(
    params: dict[str, Any], assignment: str, message: str
) -> None:
    override(params, assignment)
    with pytest.raises(ValueError, match=message):
        names(params)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("models.ante_rnn.fusion", "cat", "models.ante_rnn.fusion: .*found 'cat'"),
        ("models.ante_rnn.train.epochs", 0, "epochs"),
        ("protocols.temporal.train", 1.5, "protocols.temporal.train"),
        ("datasets.demo.films", "many", "datasets.demo.films"),
        ("contents.demo.text.limits", 3, "text.limits.*known keys:.*limit"),
        ("explain.top", 0, "explain.top"),
        ("datasets.demo.source", ["demo"], r"datasets.demo.source is \['demo'\]; there are .*'table'"),
    ],
)
def test_a_wrong_setting_of_any_stage_is_refused(params: dict[str, Any], key: str, value: Any, message: str) -> None:
    *parents, last = key.split(".")
    place = params
    for parent in parents:
        place = place[parent]
    place[last] = value
    with pytest.raises(ValueError, match=message):
        sections(params, PIPELINE)


@pytest.mark.parametrize("stage", ["regions", "images"])
def test_the_demos_untrained_network_is_refused_for_other_data_with_what_would_do(
    params: dict[str, Any], stage: str
) -> None:
    override(params, "dataset=table")
    for other in {"regions", "images"} - {stage}:
        override(params, f"contents.demo.{other}.weights=untrained")
    with pytest.raises(ValueError, match=rf"{stage}.weights is none.* table\..*content=real .* content=none "):
        sections(params, PIPELINE)
    override(params, "dataset=demo")
    sections(params, PIPELINE)


@pytest.mark.parametrize("content", ["demo", "real", "none"])
def test_what_is_committed_is_right(params: dict[str, Any], content: str) -> None:
    params["content"] = content
    if content != "demo":
        params["dataset"] = "movielens"
    names(params)
    sections(params, PIPELINE)
    params["contents"][content]["topics"]["count"] = "many"
    with pytest.raises(ValueError, match=rf"contents\.{content}\.topics\.count"):
        sections(params, PIPELINE)


def test_raw_files_are_noted_and_read_again_only_when_they_change(
    params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    log = tmp_path / "log.txt"
    log.write_text("1 2 3\n")
    params |= {"dataset": "sequences", "content": "none", "model": "popularity"}
    params["datasets"]["sequences"]["file"] = str(log)
    layout = Layout(tmp_path / "data", "temporal")
    main(Params(params=params), layout)
    noted = {"name": "log.txt", "size": 6, "sha256": hashlib.sha256(b"1 2 3\n").hexdigest()}
    assert json.loads(layout.sources.read_text()) == {"files": [noted]}
    with monkeypatch.context() as patch:
        patch.setattr(digests, "_sha256", _refuse)
        assert raw_files(params) == [noted]
    log.write_text("1 2 4\n")
    os.utime(log, ns=(0, time.time_ns() + 10**9))
    main(Params(params=params), layout)
    (changed,) = json.loads(layout.sources.read_text())["files"]
    assert changed["sha256"] == hashlib.sha256(b"1 2 4\n").hexdigest()


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b"\xff\xfe", b'{"%s": 3}', b'{"%s": {"state": []}}'])
def test_digests_that_cannot_be_read_are_made_anew(
    params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    log = tmp_path / "log.txt"
    log.write_text("1 2 3\n")
    override(params, "dataset=sequences")
    override(params, f"datasets.sequences.file={log}")
    wanted = raw_files(params)
    (tmp_path / ".cache" / "check" / "digests.json").write_bytes(left.replace(b"%s", str(log).encode()))
    assert raw_files(params) == wanted


def test_a_file_of_the_same_size_and_time_is_read_again(
    params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one unpacked, or copied with its time, over another."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    log = tmp_path / "log.txt"
    override(params, "dataset=sequences")
    override(params, f"datasets.sequences.file={log}")
    found = []
    for text in ("1 2 3\n", "1 2 4\n"):
        log.write_text(text)
        os.utime(log, (1_300_000_000, 1_300_000_000))
        found.append(raw_files(params)[0]["sha256"])
    assert found[0] != found[1]


def test_pictures_that_a_table_names_are_raw_files_too(
    params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is replaced under its name, comes later or goes changes what is noted; another file does not."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    mine = tmp_path / "mine"
    (mine / "pictures").mkdir(parents=True)
    (mine / "events.csv").write_text("user,item,time\na,1,1500000000\n")
    lines = [
        "1,pictures/1.jpg",
        "2,pictures/2.jpg",
        "3,../outside.jpg",
        "4,",
        "5,nan",
        "6,pictures",
        "7,pictures/1.jpg",
    ]
    (mine / "items.csv").write_text("item,picture\n" + "\n".join(lines) + "\n")
    for place in ("pictures/1.jpg", "pictures/unnamed.jpg", "../outside.jpg"):
        (mine / place).write_bytes(b"one")
    for assignment in ("dataset=table", *(f"datasets.table.{name}={mine}/{name}.csv" for name in ("events", "items"))):
        override(params, assignment)
    noted = [raw_files(params)[2]]
    assert (noted[0]["name"], noted[0]["files"], noted[0]["size"]) == ("pictures", 1, 3)
    for place, data in (("pictures/1.jpg", b"eno"), ("pictures/2.jpg", b"eno"), ("pictures/2.jpg", b"one")):
        (mine / place).write_bytes(data)
        noted.append(raw_files(params)[2])
    assert [one["files"] for one in noted] == [1, 1, 2, 2]
    assert len({one["sha256"] for one in noted}) == 4
    for place in ("pictures/unnamed.jpg", "../outside.jpg"):
        (mine / place).write_bytes(b"other")
    assert raw_files(params)[2] == noted[-1]
    (mine / "pictures/1.jpg").unlink()
    assert (alone := raw_files(params)[2])["files"] == 1
    (mine / "pictures/2.jpg").rename(mine / "pictures/1.jpg")
    assert raw_files(params)[2] == noted[0] != alone, "known by the path too"
    moved = mine.rename(tmp_path / "elsewhere")
    override(params, f"datasets.table.events={moved}/events.csv")
    override(params, f"datasets.table.items={moved}/items.csv")
    assert raw_files(params)[2] == noted[0], "wherever they lie"
    override(params, "datasets.table.picture_outside=true")
    assert raw_files(params)[2]["files"] == 2
    override(params, "datasets.table.about.picture=''")
    assert len(raw_files(params)) == 2
    override(params, "datasets.table.about.picture=picture")
    override(params, "datasets.table.picture_kind=address")
    assert len(raw_files(params)) == 2


def test_a_pipe_or_a_folder_is_refused_and_not_read_for_ever(params: dict[str, Any], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    params |= {"dataset": "sequences"}
    params["datasets"]["sequences"]["file"] = str(tmp_path / "pipe.txt")
    with pytest.raises(ValueError, match=r"pipe.txt: a folder, a pipe or a device; name a plain file"):
        raw_files(params)
    params |= {"dataset": "amazon"}
    params["datasets"]["amazon"]["reviews"] = str(tmp_path)
    params["datasets"]["amazon"]["metadata"] = ""
    with pytest.raises(ValueError, match=f"{tmp_path.name}: a folder, a pipe or a device"):
        raw_files(params)


def _refuse(path: Path) -> str:
    raise AssertionError(f"{path} was read again")


def test_settings_found_right_are_not_looked_at_again(
    params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    layout, looked = Layout(tmp_path / "data", "temporal"), 0
    whole: Callable[..., None] = check.sections

    def counted(*given: Any) -> None:
        nonlocal looked
        looked += 1
        whole(*given)

    monkeypatch.setattr(check, "sections", counted)
    for changed in ({}, {}, {"seed": 2}):
        main(Params(params=params | changed), layout)
    assert looked == 2
