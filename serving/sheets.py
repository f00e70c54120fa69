"""Answers as tables in the terminal; text from outside is made safe to print."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.tables.printing import printable

COLUMNS = {
    "recommend": ("recommendations", ("rank", "item", "title", "score", "because")),
    "similar": ("similar", ("rank", "item", "title", "cosine")),
    "search": ("items", ("item", "title")),
}
EMPTY = {
    "recommend": "nothing is left to recommend",
    "similar": "there is no other item",
    "search": "no title has these words, and none is written like them",
}


def show(command: str, answer: dict[str, Any], parts: int) -> None:
    """Print an answer; of each reading the `parts` heaviest."""
    console = Console(soft_wrap=True)
    who = answer.get("user") or "somebody new"
    asked = f"{answer['model']}" + (
        f": {who}, {answer['acts']} act{'s' * (answer['acts'] != 1)}" if "acts" in answer else ""
    )
    if command in COLUMNS:
        key, columns = COLUMNS[command]
        console.print(
            _sheet(_said(asked), columns, answer[key]) if answer[key] else f"{_said(asked)}: {EMPTY[command]}"
        )
    elif command == "explain":
        _explained(console, asked, answer["explanation"], parts)
    elif command == "export":
        found = answer["export"]
        console.print(f"{_said(found['folder'])}: {', '.join(found['files'])}; {found['people']} people, ", end="")
        console.print(f"{found['items']} items, {found['width']} wide. Encoder: {_said(found['encoder'])}")
    else:
        found = answer["why_not"]
        console.print(f"{_said(asked)}\n{_said(found['title'])} ({_said(found['item'])}): {_said(found['told'])}")


def _explained(console: Console, asked: str, found: dict[str, Any], parts: int) -> None:
    console.print(f"{_said(asked)}\nrank {found['rank']}: {_said(found['title'])} ({_said(found['item'])})", end="")
    console.print(f", score {found['score']:.4f}{', ' + _said(found['because']) if found['because'] else ''}")
    for name, about in (("influence", "influence on its chance"), ("own", "the model's own weights")):
        for reading in found[name]:
            heaviest = sorted(reading["parts"], key=lambda part: -abs(part["weight"]))[:parts]
            used = "used by the score" if reading["faithful"] else "drawn afterwards"
            told = "read from the score" if name == "influence" else used
            count = f"{len(heaviest)} of {len(reading['parts'])}"
            kind = f"{reading['kind']}, {reading['name']}" if reading["name"] else reading["kind"]
            title = f"{about} over {reading['over']}: {kind}, {told}, {count}"
            console.print(_sheet(title, ("label", "weight", "place", "item", "part"), heaviest))


def _sheet(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Table:
    sheet = Table(*columns, title=title, title_justify="left")
    for row in rows:
        sheet.add_row(*(_said(row[column]) for column in columns))
    return sheet


def _said(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else escape(printable(str(value)))
