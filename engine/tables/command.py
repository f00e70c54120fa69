"""A stage's `main(params, layout)` as a command."""

import argparse
import inspect
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.logging import RichHandler

from engine.tables import files
from engine.tables.lacking import STATUS, Lacking
from engine.tables.layout import Layout
from engine.tables.params import declared, expanded, override, places, read_yaml
from engine.tables.printing import PrintableFormatter, printable_lines
from engine.tables.settings import checked


@contextmanager
def command(name: str) -> Iterator[None]:
    """What a command logs and refuses, as lines for people."""
    handler = RichHandler(show_path=False)
    handler.setFormatter(PrintableFormatter("%(message)s", "%X"))
    logging.basicConfig(level="INFO", handlers=[handler])
    with refusals(name):
        yield


@contextmanager
def refusals(name: str, *others: type[Exception]) -> Iterator[None]:
    """An error's message under the command's `name`, no trace, unless WHYREC_TRACE asks for it; `others` likewise."""
    told_in_a_line: tuple[type[Exception], ...] = (
        ValueError,
        KeyError,
        OSError,
        FloatingPointError,
        MemoryError,
        *others,
    )
    try:
        yield
    except told_in_a_line as error:
        if os.environ.get("WHYREC_TRACE"):
            raise
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        told = f"{name}: {printable_lines(str(message) or 'out of memory')}\n(set WHYREC_TRACE=1 for the whole trace)"
        if not isinstance(error, Lacking):
            sys.exit(told)
        print(told, file=sys.stderr)
        sys.exit(STATUS)
    except KeyboardInterrupt:
        if os.environ.get("WHYREC_TRACE"):
            raise
        print(f"{name}: stopped", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def run(main: Callable[[Any, Layout], None]) -> None:
    """`python -m stages.x data/demo --protocol temporal [key=value …]`: params come from params.yaml, cut to what
    dvc.yaml declares for the stage; `key=value` sets one for this run.
    """
    record = inspect.signature(main, eval_str=True).parameters["params"].annotation
    stage = sys.modules["__main__"].__spec__.name.removesuffix(".__main__").split(".")[1]  # type: ignore[union-attr]
    given = _arguments(stage, inspect.getdoc(main) or "")
    with command(stage):
        params = _chosen(read_yaml(Path("params.yaml")), given)
        pipeline = read_yaml(Path("dvc.yaml"))
        layout = Layout(given.data, str(params.get("protocol", "")), given.prepared, given.results, given.readings)
        found = declared(stage, params, pipeline)
        started = time.perf_counter()
        main(checked(record, found, places(stage, params, pipeline)), layout)
    if folder := os.environ.get("WHYREC_OPENED"):
        files.write_json(files.opened(), Path(folder, f"{stage}.json"))
    if file := os.environ.get("WHYREC_SECONDS"):
        files.write_json({"seconds": time.perf_counter() - started}, Path(file))


def _chosen(params: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """The params as the command line sets them: `--protocol` chooses the section and the folder alike."""
    if given.protocol:
        params["protocol"] = given.protocol
    for word in given.overrides:
        for assignment in expanded(word, params):
            override(params, assignment)
    refuse_two_choices(params, given)
    return params


def refuse_two_choices(params: dict[str, Any], given: argparse.Namespace) -> None:
    """A command's folder and protocol are those that its params choose.

    Raises:
        ValueError: an override chooses another protocol, or the folder is that of another data set than is chosen.
    """
    if given.protocol not in ("", params.get("protocol")):
        raise ValueError(f"--protocol {given.protocol} and protocol={params['protocol']}: one of them is enough")
    name, chosen = given.data.name, params.get("dataset")
    if name != chosen and name in params.get("datasets", {}):
        raise ValueError(f"{given.data} is the folder of {name}, and dataset is {chosen}: dataset={name} would do")


def _arguments(stage: str, about: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{stage}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the data set's folder, e.g. data/demo")
    parser.add_argument(
        "--protocol", default="", help="a name under `protocols` in params.yaml, if not what it chooses"
    )
    parser.add_argument("--prepared", type=Path, metavar="FOLDER", help="of the split and topics, if not the data's")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="of weights, ranks, reasons, if not the data's")
    parser.add_argument("--readings", type=Path, metavar="FOLDER", default=Path("metrics"), help="of metrics and plots")
    told = "a param to set for this run; @papers/tuned.yaml: those that were found by stages.tune"
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=told)
    return parser.parse_intermixed_args()
