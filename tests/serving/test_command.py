"""`python -m serving`: tables and JSON, what is refused, and that no slow library is pulled in for one answer."""

import json
import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serving import __main__ as command
from serving.argument_types import moment, region
from serving.arguments import parsed
from tests.serving.shop import Shop

TWICE = ("--set", "models.ante_rnn.dim=x", "--set", "models.ante_rnn.length=y")


@pytest.fixture
def ask(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """The command in the folder of a model's params.yaml; gives what it printed."""
    results = shop.layout.root / "results" / "ante_rnn-whole"
    shop.fitted("ante_rnn", "whole")
    monkeypatch.chdir(results)

    def run(*given: str) -> str:
        where = ["--data", str(shop.layout.root), "--results", str(results), "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", ["serving", *given, *where])
        command.main()
        return capsys.readouterr().out

    return run


def test_each_command_gives_the_answers_of_the_api(shop: Shop, ask) -> None:  # type: ignore[no-untyped-def]
    asked = shop.fitted("ante_rnn", "whole")
    history = asked.person("p2")
    first = asked.recommend(history, 3)
    found = json.loads(ask("recommend", "--user", "p2", "--top", "3", "--json"))
    assert (found["model"], found["user"], found["acts"]) == ("ante_rnn", "p2", 10)
    assert [one["item"] for one in found["recommendations"]] == [one.item for one in first]
    assert [one["because"] for one in found["recommendations"]] == [one.because for one in first]
    plain = json.loads(ask("recommend", "--user", "p2", "--top", "3", "--json", "--no-reasons"))
    assert [one["because"] for one in plain["recommendations"]] == [None] * 3
    cut = json.loads(ask("recommend", "--user", "p2", "--without", "3", "--without", "5", "--json"))
    assert cut["acts"] == 8
    assert [one["score"] for one in cut["recommendations"]] == pytest.approx(
        [one.score for one in asked.recommend(history.without([3, 5]))]
    )
    why = json.loads(ask("why-not", "--user", "p2", "--item", first[2].item, "--top", "2", "--json"))["why_not"]
    assert why["rank"] == 3
    told = json.loads(ask("explain", "--user", "p2", "--item", first[0].item, "--mute-word", "word3", "--json"))
    assert told["muted"]["words"] == ["word3"]
    assert told["explanation"]["influence"][0]["over"] == "history"
    alike = json.loads(ask("similar", "--item", "Heat", "--top", "2", "--json"))["similar"]
    assert [one["item"] for one in alike] == [one.item for one in asked.similar("f5", 2)]
    assert json.loads(ask("search", "heat", "--json"))["items"][0]["item"] == "f5"


def test_somebody_new_is_asked_about_at_a_moment(ask) -> None:  # type: ignore[no-untyped-def]
    new = json.loads(ask("recommend", "--history", "Heat; f3", "--at", "2018-05-01T20:00", "--json"))
    assert (new["user"], new["at"], new["acts"]) == (None, "2018-05-01T20:00:00+00:00", 2)
    times = "2018-05-01T10:00;2018-05-01T21:00"
    later = json.loads(
        ask("recommend", "--history", "Heat; f3", "--times", times, "--at", "2018-05-01T20:00", "--json")
    )
    assert later["acts"] == 1


def test_tables_are_readable_and_drive_no_terminal(ask) -> None:  # type: ignore[no-untyped-def]
    shown = ask("recommend", "--user", "p1", "--top", "15")
    assert "ante_rnn: p1, 5 acts" in shown
    assert "ante_rnn: somebody new, 1 act\n" in ask("recommend", "--history", "Heat")
    hostile = ask("search", "say")
    assert "\x1b" not in hostile
    assert r"Say \x1b[31mred" in hostile  # a title as text, and no markup either
    told = ask("explain", "--user", "p2", "--item", "f1", "--parts", "2")
    assert "influence on its chance over history: signed, read from the score, 2 of 8" in told
    assert "the model's own weights over history: share, used by the score" in told
    assert "without" in ask("why-not", "--user", "p2", "--item", "f1") or "no 5 acts" in ask(
        "why-not", "--user", "p2", "--item", "f1"
    )
    assert "f5" in ask("search", "heat")
    assert "0." in ask("similar", "--item", "f5")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("recommend", "--user", "p99"), "serving: nobody is called 'p99'; nearest are"),
        (("recommend", "--history", "Heet"), "serving: no item is called 'Heet'; nearest are"),
        (("explain", "--user", "p1", "--item", "the twin"), "is the title of 2 items"),
        (("recommend", "--user", "p1", "--protocol", "sideways"), "params.yaml has no 'sideways'"),
        (("recommend", "--user", "p1", "--set", "models.ante_rnn.dimm=3"), "params.yaml has no 'dimm'"),
        (("recommend", "--user", "p1", "--set", "models.ante_rnn.dim=x"), "models.ante_rnn.dim"),
        (("recommend", "--user", "p1", "--set", "models.ante_rnn=3"), "models.ante_rnn: Input should be a valid dict"),
        (("recommend", "--user", "p1", *TWICE), "; models.ante_rnn.length"),
        (("recommend", "--user", "p1", "--set", "protocols.temporal.seen=maybe"), "excluded or kept; found 'maybe'"),
        (("recommend", "--history", "f3", "--at", "0001-01-01"), "times lie in the years 2 to 9998"),
        (("recommend", "--history", "f3", "--at", "0002-01-01T12:00"), "before the year 2: give them times"),
        (("recommend", "--history", "f3", "--times", "9999-12-31T23:00-14:00"), "times lie in the years 2 to 9998"),
        (("recommend", "--user", "p1", "--at", "0001-01-01T00:00+14:00"), "times lie in the years 2 to 9998"),
        (("recommend", "--user", "p1", "--without", "7"), "there is no act 7"),
        (("recommend", "--user", "p1", "--model", "sasrec"), "does not hold models.sasrec as it is set: they are of"),
        (("recommend", "--user", "p1", "--model", "sasrec"), "--results names their folder"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_a_line(ask, given: tuple[str, ...], told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SystemExit) as ended:
        ask(*given)
    assert told in str(ended.value)
    assert str(ended.value).startswith("serving: ")
    assert "\n" not in str(ended.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("recommend", "--user", "p1", "--times", "2018-05-01"), "--times and --ratings are of the items of --history"),
        (("why-not", "--user", "p1", "--item", "f1", "--ratings", "3"), "--times and --ratings are of the items"),
        (
            ("recommend", "--history", "a;b", "--times", "2018-05-02;2018-05-01", "--without", "0"),
            "--without counts places in the order of time: give --history and --times the oldest first",
        ),
        (("recommend", "--history", "f3", "--ratings", "nan"), "'nan' is no finite number"),
        (("recommend", "--history", "f3", "--ratings", "3; -inf"), "'-inf' is no finite number"),
        (("recommend", "--history", "f3", "--at", "soon"), "'soon' is no moment"),
        (("recommend", "--user", "p1", "--top", "0"), "a number 1 or more is taken; found 0"),
        (("recommend", "--user", "p1", "--top", "2.5"), "'2.5' is no whole number"),
        (("recommend", "--user", "p1", "--without", "-1"), "a number 0 or more is taken; found -1"),
        (("recommend", "--user", "p1", "--mute-region", "f3:0"), "is no region"),
        (("explain", "--user", "p1", "--item", "f1", "--parts", "-1"), "a number 0 or more is taken; found -1"),
        (("search", "heat", "--limit", "-1"), "a number 1 or more is taken; found -1"),
        (("similar", "--item", "f1", "--top", "-3"), "a number 1 or more is taken; found -3"),
        (("why-not", "--user", "p1", "--item", "f1", "--limit", "0"), "a number 1 or more is taken; found 0"),
        (("web", "--port", "99999"), "a number from 1 to 65535 is taken; found 99999"),
        (("web", "--waiting", "0"), "a number 1 or more is taken; found 0"),
        (("recommend",), "one of the arguments --user --history is required"),
        (("recomend",), "invalid choice: 'recomend'"),
    ],
)
def test_a_wrong_argument_is_told_in_a_line(
    capsys: pytest.CaptureFixture[str], given: tuple[str, ...], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(list(given))
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("serving: ")
    assert told in said
    assert said.index("\n") == len(said) - 1


@pytest.mark.parametrize("given", [("search", "heat"), ("web", "--port", "1")])
def test_a_folder_that_is_not_the_project_s_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["serving", *given])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert str(ended.value) == "serving: params.yaml: no settings there; run it in the folder of the project"


def test_an_answer_of_nothing_says_so(ask) -> None:  # type: ignore[no-untyped-def]
    assert "no title has these words, and none is written like them" in ask("search", "zzzz")
    assert json.loads(ask("search", "zzzz", "--json"))["items"] == []
    assert "nothing is left to recommend" in ask("recommend", "--history", "; ".join(f"f{n}" for n in range(1, 16)))


def test_more_than_there_is_gives_all_there_is(ask) -> None:  # type: ignore[no-untyped-def]
    found = json.loads(ask("recommend", "--user", "p1", "--top", str(10**12), "--json", "--no-reasons"))
    assert len(found["recommendations"]) == 10


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for host, family in (("127.0.0.1", socket.AF_INET), ("nowhere.invalid", None)):
        with socket.create_server(("127.0.0.1", 0)) as held:
            port = str(held.getsockname()[1])
            where = ["--data", "nowhere", "--host", host, "--port", port]
            monkeypatch.setattr(sys, "argv", ["serving", "web", *where])
            with pytest.raises(SystemExit) as ended:
                command.main()
        assert re.fullmatch(rf"serving: cannot listen on {host}, port {port}: [^\n]+name another", str(ended.value))
        assert capsys.readouterr() == ("", ""), family


def test_arguments_are_read_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert moment("2026-05-01T20:00") == datetime(2026, 5, 1, 20, tzinfo=UTC)
    assert moment("2026-05-01T20:00+02:00") == datetime(2026, 5, 1, 18, tzinfo=UTC)
    assert region("a:b:3") == ("a:b", 3)
    given = parsed(["recommend", "--history", "a", "--ratings", "3; 4.5", "--mute-region", "f3:1"])
    assert given.ratings == [3.0, 4.5]
    assert given.mute_region == [("f3", 1)]
    for wrong in (["--mute-region", "f3"], ["--user", "p1"], ["--ratings", "good"]):
        with pytest.raises(SystemExit):
            parsed(["recommend", "--history", "a", *wrong])
    for name in ("recommend", "explain", "why-not", "similar", "search", "export"):
        with pytest.raises(SystemExit) as ended:
            parsed([name, "--help"])
        assert ended.value.code == 0


def test_one_answer_needs_one_thread_and_no_slow_library(shop: Shop) -> None:
    """Cold starts count: what trains, draws features or runs the pipeline is not imported, nor what compiles; for help
    not even torch. Threads that wait for work spin on a processor that others want."""
    slow = ("lightning_fabric", "transformers", "sklearn", "dvc", "gensim", "ray", "pandas", "torchvision", "onnx")
    slow = (*slow, "numba", "scipy", "optuna", "matplotlib", "fastapi", "uvicorn", "torch._dynamo", "torch.onnx")
    shop.fitted("ante_rnn", "whole")
    results = shop.layout.root / "results" / "ante_rnn-whole"
    where = ["--data", str(shop.layout.root), "--results", str(results), "--device", "cpu"]
    given = ["serving", "recommend", "--user", "p2", *where]
    named = "print([name for name in {!r} if name in sys.modules])"
    answer = f"import sys; sys.argv = {given}; from serving.__main__ import main; main(); {named.format(slow)}"
    answer += "; import torch; print(torch.get_num_threads())"
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    environment["PYTHONPATH"] = str(Path(command.__file__).parents[1])
    for threads, more in (("1", {}), ("2", {"OMP_NUM_THREADS": "2"})):  # what is set already is kept
        said = _printed(answer, environment | more, results)
        assert said[-2:] == ["[]", threads]
    quick = f"import sys, serving.__main__; {named.format(('torch', 'polars', *slow))}"
    assert _printed(quick, environment, results) == ["[]"]


def _printed(code: str, environment: dict[str, str], folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=folder
    )
    return done.stdout.strip().split("\n")


def test_a_reader_that_closes_the_pipe_ends_it_quietly(shop: Shop) -> None:
    results = shop.layout.root / "results" / "popularity-"
    shop.fitted("popularity")
    read, write = os.pipe()
    os.close(read)
    for more in (["--json"], []):
        given = [sys.executable, "-m", "serving", "recommend", "--user", "p2", "--model", "popularity", *more]
        where = ["--data", str(shop.layout.root), "--results", str(results), "--device", "cpu"]
        path = os.environ | {"PYTHONPATH": str(Path.cwd()), "PYTHONUNBUFFERED": ""}  # written when it ends
        done = subprocess.run([*given, *where], cwd=results, env=path, stdout=write, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr) == (1, "")
    os.close(write)


def test_a_sentence_of_the_item_itself_is_the_same_in_json_and_in_the_table(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = shop.fitted("vbpr", "both")
    expected = [one.because for one in asked.recommend(asked.person("p2"), 3)]
    results = shop.layout.root / "results" / "vbpr-both"
    monkeypatch.chdir(results)
    where = ["--data", str(shop.layout.root), "--results", str(results), "--device", "cpu", "--model", "vbpr"]
    printed = []
    for more in (["--json"], []):
        monkeypatch.setattr(sys, "argv", ["serving", "recommend", "--user", "p2", "--top", "3", *where, *more])
        command.main()
        printed.append(capsys.readouterr().out)
    assert [one["because"] for one in json.loads(printed[0])["recommendations"]] == expected
    assert any(expected)
    assert all(because in printed[1] for because in expected if because)
