"""`python -m serving`: a trained model from the command line."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from serving.argument_types import one_line
from serving.arguments import parsed


def main() -> None:
    """Answer one question as a table or as JSON, or serve."""
    given = parsed()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch loads: a question's tensors are too small to share out
    try:
        if not Path("params.yaml").is_file():
            raise FileNotFoundError("params.yaml: no settings there; run it in the folder of the project")
        if given.command == "web":
            from serving.web.server import serve

            serve(given)
            return
        answer = _answer(given)
        if given.json:
            print(json.dumps(answer, indent=1, ensure_ascii=False))
        else:
            from serving.sheets import show  # what draws tables is not needed for JSON

            show(given.command, answer, getattr(given, "parts", 0))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has enough: `| head`. What is not written is dropped, quietly
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (ValueError, KeyError, OSError, FloatingPointError) as error:
        if os.environ.get("WHYREC_TRACE"):
            raise
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        sys.exit(f"serving: {one_line(str(message))}")
    except KeyboardInterrupt:
        sys.exit(130)


def _answer(given: argparse.Namespace) -> dict[str, Any]:
    """The answer as JSON has it."""
    from serving.api import Muted, as_json, load  # torch takes its time, which --help does not

    asked = load(
        given.data,
        given.protocol,
        model=given.model,
        results=given.results,
        device=given.device,
        overrides=given.set,
    )
    found: dict[str, Any] = {"model": asked.name}
    if given.command == "search":
        return found | {"items": as_json(asked.search(given.text, given.limit))}
    if given.command == "similar":
        return found | {"similar": as_json(asked.similar(given.item, given.top))}
    if given.command == "export":
        return found | {"export": as_json(asked.export(given.folder))}
    if given.user is not None:
        history = asked.person(given.user)
    else:
        history = asked.history(given.history, given.at, given.times, given.ratings)
    muted = Muted(tuple(given.mute_word), tuple(given.mute_region), tuple(given.mute_view))
    history, at = history.without(given.without), given.at
    found |= {"user": history.user, "at": as_json(at), "muted": as_json(muted), "acts": len(history.before(at).acts)}
    if given.command == "recommend":
        shown = asked.recommend(history, given.top, at, muted, not given.no_reasons)
        return found | {"recommendations": as_json(shown)}
    if given.command == "explain":
        return found | {"explanation": as_json(asked.explain(history, given.item, at, muted))}
    return found | {"why_not": as_json(asked.why_not(history, given.item, given.limit, given.top, at, muted))}


if __name__ == "__main__":
    main()
