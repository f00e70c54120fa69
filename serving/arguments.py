"""What the command line takes, without anything that is slow to import."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ABOUT = "Ask a trained model: what next, why, why not, what is alike. The weights are those that `dvc repro` left."


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The arguments of `python -m serving`."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=ABOUT)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = _command(commands, "recommend", "the first items for a person, or after a history", _history)
    one.add_argument("--top", type=int, default=10, metavar="K", help="how many items (10)")
    one.add_argument("--no-reasons", action="store_true", help="without the sentences, which take most of the time")
    one = _command(commands, "explain", "what speaks for an item, and the model's own weights", _history)
    one.add_argument("--item", required=True, help="raw id or title")
    one.add_argument("--parts", type=int, default=5, metavar="N", help="parts of each reading in the table (5)")
    one = _command(commands, "why-not", "an item's rank, and the acts that keep it out of the first, or in", _history)
    one.add_argument("--item", required=True, help="raw id or title")
    one.add_argument("--top", type=int, default=10, metavar="K", help="the first how many (10)")
    one.add_argument("--limit", type=int, default=5, metavar="N", help="acts that are taken away at most (5)")
    one = _command(commands, "similar", "the items nearest to one, by the vectors of a factored model")
    one.add_argument("--item", required=True, help="raw id or title")
    one.add_argument("--top", type=int, default=10, metavar="K", help="how many items (10)")
    one = _command(commands, "search", "items by words of their titles")
    one.add_argument("text", help="words")
    one.add_argument("--limit", type=int, default=20, metavar="N", help="items at most (20)")
    one = _command(commands, "export", "vectors and encoder of a factored model, for other programs")
    one.add_argument("folder", type=Path, help="is written whole, in the place of what was there")
    _web(commands)
    return parser.parse_args(arguments)


def moment(text: str) -> datetime:
    """A moment in ISO 8601; UTC where it names no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no moment; one is written 2026-05-01T20:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def several(kind: Callable[[str], object]) -> Callable[[str], list[object]]:
    """Values with semicolons between."""

    def read(text: str) -> list[object]:
        return [kind(part.strip()) for part in text.split(";") if part.strip()]

    read.__name__ = f"list with semicolons of {kind.__name__}"
    return read


def region(text: str) -> tuple[str, int]:
    """ITEM:NUMBER."""
    item, _, number = text.rpartition(":")
    if not item or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no region; one is written ITEM:NUMBER, e.g. film-0042:3")
    return item, int(number)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
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


def _web(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    about = "a web app and JSON routes on this machine, for one model or several side by side"
    one = commands.add_parser("web", help=about, description=about)
    one.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine alone)")
    one.add_argument("--port", type=int, default=8000, help="(8000)")
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
    what.add_argument("--ratings", type=several(float), metavar="RATINGS", help="of the items of --history")
    what.add_argument(
        "--without", type=int, action="append", default=[], metavar="PLACE", help="as if this act, from 0, had not been"
    )
    what.add_argument("--mute-word", action="append", default=[], metavar="WORD", help="as if no text had it")
    what.add_argument(
        "--mute-region", type=region, action="append", default=[], metavar="ITEM:N", help="as if it showed nothing"
    )
    what.add_argument(
        "--mute-view", choices=["picture", "text"], action="append", default=[], help="as if there were none"
    )
