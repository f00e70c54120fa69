"""`python -m serving`: tables and JSON, what is refused, and that no slow library is pulled in for one answer."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from serving import __main__ as command
from serving.arguments import moment, parsed, region
from tests.serving.shop import Shop


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
    hostile = ask("search", "say")
    assert "\x1b" not in hostile
    assert r"Say \x1b[31mred" in hostile  # a title as text, and no markup either
    told = ask("explain", "--user", "p2", "--item", "f1", "--parts", "2")
    assert "influence on its chance over history: signed, drawn afterwards, 2 of 8" in told
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
    ],
)
def test_what_is_wrong_is_told_in_a_line(ask, given: tuple[str, ...], told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SystemExit) as ended:
        ask(*given)
    assert told in str(ended.value)


def test_arguments_are_read_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert moment("2026-05-01T20:00") == datetime(2026, 5, 1, 20, tzinfo=UTC)
    assert moment("2026-05-01T20:00+02:00") == datetime(2026, 5, 1, 18, tzinfo=UTC)
    assert region("a:b:3") == ("a:b", 3)
    given = parsed(["recommend", "--history", "a", "--ratings", "3; 4.5", "--mute-region", "f3:1"])
    assert given.ratings == [3.0, 4.5]
    assert given.mute_region == [("f3", 1)]
    for wrong in (["--at", "soon"], ["--mute-region", "f3"], ["--user", "p1"], ["--ratings", "good"]):
        with pytest.raises(SystemExit):
            parsed(["recommend", "--history", "a", *wrong])
    assert "soon" in capsys.readouterr().err
    for name in ("recommend", "explain", "why-not", "similar", "search", "export"):
        with pytest.raises(SystemExit) as ended:
            parsed([name, "--help"])
        assert ended.value.code == 0


def test_one_answer_needs_no_slow_library() -> None:
    """Cold starts count: what trains, draws features or runs the pipeline is not imported; for help not even torch."""
    slow = ("lightning_fabric", "transformers", "sklearn", "dvc", "gensim", "ray", "pandas", "torchvision", "onnx")
    code = "import sys, {}; print([name for name in {!r} if name in sys.modules])"
    for module, names in (("serving.api", slow), ("serving.__main__", ("torch", "polars", *slow))):
        done = subprocess.run(
            [sys.executable, "-c", code.format(module, names)], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "[]", module
