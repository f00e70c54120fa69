"""The web app under many questions at once: `python -m benchmarks.serving [--seconds 60] [--at-once 50] …`.

Starts `python -m serving web` with the arguments after `--`, asks /recommend for people and models in turn, and prints
JSON: how many were answered, refused as busy (503; asked again when told to) and lost, questions a second, median and
99th percentile of the seconds that one takes, the server's seconds of processor an answer, how long /health took beside
all this, and the server's memory before, halfway and after. With --killed it is then killed with -9 while it is asked,
and started again: seconds until it answers, and whether it answers the same. The server is ended.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import psutil

START = 120  # seconds until the server has to answer
MEGA = 2**20
HEALTH = 0.25  # seconds between two times that /health is asked
KILLED = 4.0  # seconds of questions, in the middle of which it is killed


def main() -> None:
    """Start, ask, stop, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="(60)")
    parser.add_argument("--at-once", type=int, default=50, help="questions at once (50)")
    parser.add_argument("--port", type=int, default=8765, help="(8765)")
    parser.add_argument("--without-reasons", action="store_true", help="the list alone")
    parser.add_argument("--killed", action="store_true", help="and kill it under questions, and start it again")
    parser.add_argument("web", nargs="*", help="arguments of python -m serving web, after --")
    given = parser.parse_args()
    command = [sys.executable, "-m", "serving", "web", "--port", str(given.port), *given.web]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        names = started(given.port, server)
        print(json.dumps(measured(given, server.pid, names), indent=1))
        if given.killed:
            server, told = killed(given, server, command, names)
            print(json.dumps(told, indent=1))
    finally:
        server.terminate()
        server.wait()


class Refused(Exception):
    """The server is busy; seconds until it is to be asked again."""


def asked(port: int, method: str, path: str, body: object = None) -> dict[str, object]:
    """One answer, over a connection of its own.

    Raises:
        OSError: it was lost, or is not an answer.
        Refused: too many wait.
    """
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        data = None if body is None else json.dumps(body)
        line.request(method, path, data, {"content-type": "application/json"} if data else {})
        answer = line.getresponse()
        text = answer.read()
        if answer.status == 503:
            raise Refused(int(answer.getheader("retry-after") or 1))
        if answer.status != 200:
            raise OSError(f"{path}: {answer.status} {text[:200]!r}")
        found: dict[str, object] = json.loads(text)
        return found
    finally:
        line.close()


def started(port: int, server: subprocess.Popen[bytes]) -> list[str]:
    """The names of the models, once the server answers.

    Raises:
        RuntimeError: it ended, or does not answer.
    """
    until = time.monotonic() + START
    while time.monotonic() < until and server.poll() is None:
        try:
            return [str(name) for name in asked(port, "GET", "/health")["models"]]  # type: ignore[attr-defined]
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the server did not start")


@dataclass
class Asking:
    """Questions asked by several at once until a moment; seconds of each answer, and what was lost."""

    port: int
    questions: list[dict[str, object]]
    took: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    health: list[float] = field(default_factory=list)

    def ask(self, first: int, every: int, end: float) -> None:
        """One of several: question `first` and every so many after it."""
        turn = first
        while time.monotonic() < end:
            begun = time.monotonic()
            try:
                asked(self.port, "POST", "/recommend", self.questions[turn % len(self.questions)])
            except Refused as refused:
                self.refused.append(seconds := refused.args[0])
                time.sleep(max(min(seconds, end - time.monotonic()), 0))
                continue
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.lost.append(repr(error))  # a list's append is one step for all threads
            else:
                self.took.append(time.monotonic() - begun)
            turn += every

    def ask_health(self, end: float) -> None:
        """Beside the others."""
        while (begun := time.monotonic()) < end:
            asked(self.port, "GET", "/health")
            self.health.append(time.monotonic() - begun)
            time.sleep(HEALTH)


def measured(given: argparse.Namespace, pid: int, models: list[str]) -> dict[str, object]:
    """Ask for as long as said, each model and person in turn."""
    people = asked(given.port, "GET", "/people?limit=100")["people"]
    questions: list[dict[str, object]] = [
        {"history": {"user": user}, "model": model, "top": 10, "reasons": not given.without_reasons}
        for user in people  # type: ignore[attr-defined]
        for model in models
    ]
    for question in questions[: len(models)]:
        asked(given.port, "POST", "/recommend", question)
    process, asking = psutil.Process(pid), Asking(given.port, questions)
    memory, begun = [process.memory_info().rss / MEGA], time.monotonic()
    end, spent = begun + given.seconds, sum(process.cpu_times()[:2])
    threads = [threading.Thread(target=asking.ask, args=(n, given.at_once, end)) for n in range(given.at_once)]
    threads.append(threading.Thread(target=asking.ask_health, args=(end,)))
    for thread in threads:
        thread.start()
    time.sleep(given.seconds / 2)
    memory.append(process.memory_info().rss / MEGA)
    for thread in threads:
        thread.join()
    lasted = time.monotonic() - begun
    memory.append(process.memory_info().rss / MEGA)
    found = {"models": models, "at_once": given.at_once, "seconds": round(lasted, 1)} | told(asking, lasted, memory)
    return found | {"processor_s_each": round((sum(process.cpu_times()[:2]) - spent) / len(asking.took), 4)}


def killed(
    given: argparse.Namespace, server: subprocess.Popen[bytes], command: list[str], models: list[str]
) -> tuple[subprocess.Popen[bytes], dict[str, object]]:
    """Kill the server while it is asked, start it again; the new one, and what came of it."""
    people = asked(given.port, "GET", "/people?limit=1")["people"]
    question: dict[str, object] = {"history": {"user": people[0]}, "model": models[0], "top": 10}  # type: ignore[index]
    before, asking = asked(given.port, "POST", "/recommend", question), Asking(given.port, [question])
    end = time.monotonic() + KILLED
    threads = [threading.Thread(target=asking.ask, args=(n, given.at_once, end)) for n in range(given.at_once)]
    for thread in threads:
        thread.start()
    time.sleep(KILLED / 2)
    server.kill()
    server.wait()
    for thread in threads:
        thread.join()
    begun = time.monotonic()
    again = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    started(given.port, again)
    seconds = round(time.monotonic() - begun, 1)
    same = asked(given.port, "POST", "/recommend", question) == before
    return again, {"again_after_s": seconds, "same_answer": same}


def told(asking: Asking, spent: float, memory: list[float]) -> dict[str, object]:
    """Counts, rate, times and memory, rounded."""
    took = sorted(asking.took)
    return {
        "answered": len(took),
        "refused": len(asking.refused),
        "lost": len(asking.lost),
        "first_lost": asking.lost[:1],
        "a_second": round(len(took) / spent, 2),
        "median_s": round(statistics.median(took), 3),
        "p99_s": round(took[int(0.99 * (len(took) - 1))], 3),
        "health_s": {"median": round(statistics.median(asking.health), 3), "most": round(max(asking.health), 3)},
        "memory_mb": {name: round(value) for name, value in zip(("before", "halfway", "after"), memory, strict=True)},
    }


if __name__ == "__main__":
    main()
