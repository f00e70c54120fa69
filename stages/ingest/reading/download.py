"""A file from the web, whole and with its checksum right, or not at all; cut off, it goes on where it stopped."""

import hashlib
import logging
import os
import re
import tempfile
import time
from pathlib import Path

import requests
from pydantic import Field

from engine.tables.settings import Record
from stages.ingest.reading.progress import bytes_bar

_BLOCK = 1 << 14  # when a body is cut, urllib3 loses what it has of the block at hand
_PAUSE = 30  # the longest wait between two tries, seconds
_PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)

log = logging.getLogger(__name__)


class Download(Record):
    """Where an archive lies on the web, and how it is loaded."""

    address: str = Field(description="folder on the web that holds the archive <name>.zip")
    checksum: str = Field("", description="md5 of the archive; empty: the one published beside it as <name>.zip.md5")
    gigabytes: float = Field(4, gt=0, description="size, packed and unpacked, in gigabytes; more is refused")
    timeout: float = Field(60, gt=0, description="seconds without an answer until it is asked again")
    retries: int = Field(6, ge=0, description="tries in a row without a new byte")


def md5(path: Path) -> str:
    """The checksum that GroupLens publishes (against a damaged file, not against an enemy)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def download(target: Path, settings: Download) -> None:
    """Load `address/<target's name>` to `target`, whole and with the right checksum or not at all.

    What came before an interruption lies in `<target>.part`, and the next run goes on from there.
    """
    url = f"{settings.address.rstrip('/')}/{target.name}"
    wanted = settings.checksum.lower() or _published(f"{url}.md5", settings)
    part = target.with_name(f"{target.name}.part")
    for resumed in [True, False] if part.exists() else [False]:
        _load(url, part, settings)
        found = md5(part)
        if found == wanted:
            os.replace(part, target)
            return
        part.unlink()  # what a resumed file began with may be of an older release: once more from nothing
        log.warning("%s: md5 %s, wanted %s%s", url, found, wanted, "; loading it anew" if resumed else "")
    raise ValueError(f"{url}: its md5 is {found}, wanted {wanted}; try again later, or state another checksum")


def _published(url: str, settings: Download) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "md5"
        _load(url, path, settings)
        found = re.search(r"\b[0-9a-f]{32}\b", path.read_text(errors="replace").lower())
    if not found:
        raise ValueError(f"{url}: no md5 in it; state the archive's own in `checksum`")
    return found[0]


def _load(url: str, part: Path, settings: Download) -> None:
    idle = 0
    while True:
        have = part.stat().st_size if part.exists() else 0
        try:
            return _stream(url, part, have, settings)
        except _PASSING as error:
            got = part.stat().st_size if part.exists() else 0
            idle = 0 if got > have else idle + 1
            if idle > settings.retries:
                raise ValueError(f"{url}: {error} (after {idle} tries); what came lies in {part}: run again") from None
            log.warning("%s: %s; going on after %d bytes", url, error, got)
            time.sleep(min(2**idle - 1, _PAUSE))


def _stream(url: str, part: Path, have: int, settings: Download) -> None:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=settings.timeout) as answer:
        if answer.status_code == 416:
            return  # nothing follows what is here; the checksum tells whether that is all
        if answer.status_code == 429 or answer.status_code >= 500:
            raise requests.ConnectionError(f"status {answer.status_code}")
        if answer.status_code not in (200, 206):
            raise ValueError(f"{url}: status {answer.status_code}; is `address` right?")
        size = have if answer.status_code == 206 else 0
        length = answer.headers.get("Content-Length")
        with (
            part.open("ab" if size else "wb") as file,
            bytes_bar() as bar,
        ):
            task = bar.add_task(part.name, total=size + int(length) if length else None, completed=size)
            for block in answer.iter_content(_BLOCK):
                size += len(block)
                if size > settings.gigabytes * 1e9:
                    raise ValueError(
                        f"{url}: more than {settings.gigabytes} gigabytes; raise `gigabytes` if that is right"
                    )
                file.write(block)
                bar.update(task, completed=size)
