"""What the command line takes, without anything that is slow to import."""

import argparse
from collections.abc import Callable
from pathlib import Path

from serving.argument_types import Parser, finite, moment, region, several, whole

ABOUT = "Ask a trained model: what next, why, why not, what is alike. The weights are those that `dvc repro` left."
MORE = "OMP_NUM_THREADS sets the threads (1); with WHYREC_TRACE=1 an error shows where in the code it was raised."
WAITING = 64  # questions; each has its answer within a minute on two slow cores


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The arguments of `python -m serving`."""
    parser = Parser(prog="python -m serving", description=ABOUT, epilog=MORE)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = _command(commands, "recommend", "the first items for a person, or after a history", _history)
    one.add_argument("--top", type=whole(1), default=10, metavar="K", help="how many items (10)")
    one.add_argument("--no-reasons", action="store_true", help="without the sentences, which take most of the time")
    one = _command(commands, "explain", "what speaks for an item, and the model's own weights", _history)
    one.add_argument("--item", required=True, help="raw id or title")
    one.add_argument("--parts", type=whole(0), default=5, metavar="N", help="parts of each reading in the table (5)")
    one = _command(commands, "why-not", "an item's rank, and the acts that keep it out of the first, or in", _history)
    one.add_argument("--item", required=True, help="raw id or title")
    one.add_argument("--top", type=whole(1), default=10, metavar="K", help="the first how many (10)")
    one.add_argument("--limit", type=whole(1), default=5, metavar="N", help="acts that are taken away at most (5)")
    one = _command(commands, "similar", "the items nearest to one, by the vectors of a factored model")
    one.add_argument("--item", required=True, help="raw id or title")
    one.add_argument("--top", type=whole(1), default=10, metavar="K", help="how many items (10)")
    one = _command(commands, "search", "items by words of their titles")
    one.add_argument("text", help="words")
    one.add_argument("--limit", type=whole(1), default=20, metavar="N", help="items at most (20)")
    one = _command(commands, "export", "vectors and encoder of a factored model, for other programs")
    one.add_argument("folder", type=Path, help="new, empty, or an earlier export, in whose place it is written")
    _web(commands)
    given = parser.parse_args(arguments)
    if getattr(given, "user", None) is not None and (given.times, given.ratings) != (None, None):
        parser.error("--times and --ratings are of the items of --history: a person of the data has their own")
    times = getattr(given, "times", None) or []
    if times != sorted(times) and given.without:
        parser.error("--without counts places in the order of time: give --history and --times the oldest first")
    return given


def _command(
    commands: "argparse._SubParsersAction[Parser]",
    name: str,
    about: str,
    more: Callable[[argparse.ArgumentParser], None] | None = None,
) -> argparse.ArgumentParser:
    one = commands.add_parser(name, help=about, description=about)
    if more is not None:
        more(one)
    where = one.add_argument_group("which model")
    where.add_argument("--data", type=Path, default=Path("data/demo"), metavar="FOLDER", help="data set (data/demo)")
    where.add_argument("--protocol", help="a name under `protocols` in params.yaml (what is chosen there)")
    where.add_argument("--model", help="a name under `models` in params.yaml (what is chosen there)")
    where.add_argument("--results", type=Path, metavar="FOLDER", help="of the weights, if not the data's")
    where.add_argument("--device", help="auto, cpu or cuda")
    where.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a param to set for this call")
    one.add_argument("--json", action="store_true", help="as JSON, whose schema is in docs/serving.md")
    return one


def _web(commands: "argparse._SubParsersAction[Parser]") -> None:
    about = "a web app and JSON routes on this machine, for one model or several side by side"
    one = commands.add_parser("web", help=about, description=about)
    one.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine alone)")
    one.add_argument("--port", type=whole(1, 65535), default=8000, help="(8000)")
    about = f"questions that wait at most; beyond it they are refused with status 503 ({WAITING})"
    one.add_argument("--waiting", type=whole(1), default=WAITING, metavar="N", help=about)
    one.add_argument("--data", type=Path, default=Path("data/demo"), metavar="FOLDER", help="data set (data/demo)")
    one.add_argument("--protocol", help="a name under `protocols` in params.yaml (what is chosen there)")
    one.add_argument("--model", action="append", default=[], help="a name under `models`; more than once: side by side")
    one.add_argument(
        "--results",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="of each --model's weights, in order",
    )
    one.add_argument("--device", help="auto, cpu or cuda")
    one.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a param to set for all models")


def _history(one: argparse.ArgumentParser) -> None:
    who = one.add_argument_group("whose history").add_mutually_exclusive_group(required=True)
    who.add_argument("--user", metavar="ID", help="a person of the data, by raw id")
    who.add_argument("--history", metavar="TITLES", help="somebody new's: titles or raw ids, semicolons between")
    what = one.add_argument_group("what of it")
    what.add_argument("--at", type=moment, metavar="TIME", help="the moment that is asked about (now)")
    what.add_argument("--times", type=several(moment), metavar="TIMES", help="of the items of --history")
    what.add_argument("--ratings", type=several(finite), metavar="RATINGS", help="of the items of --history")
    what.add_argument(
        "--without",
        type=whole(0),
        action="append",
        default=[],
        metavar="PLACE",
        help="as if this act, from 0, had not been",
    )
    what.add_argument("--mute-word", action="append", default=[], metavar="WORD", help="as if no text had it")
    what.add_argument(
        "--mute-region", type=region, action="append", default=[], metavar="ITEM:N", help="as if it showed nothing"
    )
    what.add_argument(
        "--mute-view", choices=["picture", "text"], action="append", default=[], help="as if there were none"
    )
