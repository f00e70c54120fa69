import hashlib
import io
import os
import re
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages.ingest.reading import archive, download
from stages.ingest.reading.download import Download

FILES = ("ratings.csv", "movies.csv")
BODY = bytes(range(256)) * 4000


class Site(ThreadingHTTPServer):
    """Serves `files`; `cut` bodies end after so many bytes; `ranges` says whether a Range is honoured."""

    files: dict[str, bytes]
    cut: list[int]
    ranges: bool
    asked: list[tuple[str, str | None]]
    fails: list[int]


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        name, asked = self.path.lstrip("/"), self.headers.get("Range")
        self.server.asked.append((name, asked))
        body = self.server.files.get(name)
        if body is None or (self.server.fails and name.endswith(".zip")):
            self.send_error(404 if body is None else self.server.fails.pop())
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if asked and start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        self.wfile.write(rest[: self.server.cut.pop(0)] if self.server.cut and name.endswith(".zip") else rest)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    server = Site(("127.0.0.1", 0), Handler)
    server.files, server.cut, server.ranges, server.asked, server.fails = {}, [], True, [], []
    server.files["ml.zip"] = BODY
    server.files["ml.zip.md5"] = f"MD5 (ml.zip) = {hashlib.md5(BODY).hexdigest()}\n".encode()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def settings(site: Site, **changes: object) -> Download:
    address = f"http://127.0.0.1:{site.server_port}"
    plain = {"address": address, "checksum": "", "gigabytes": 1, "timeout": 5, "retries": 2}
    return Download.model_validate(plain | changes)


def test_a_download_is_checked_against_the_published_md5(site: Site, tmp_path: Path) -> None:
    download.download(tmp_path / "ml.zip", settings(site))
    assert (tmp_path / "ml.zip").read_bytes() == BODY
    assert [p.name for p in tmp_path.iterdir()] == ["ml.zip"]


def test_a_cut_download_goes_on_where_it_stopped(site: Site, tmp_path: Path) -> None:
    site.cut = [100_000, 300_000, 1]
    download.download(tmp_path / "ml.zip", settings(site, retries=1))
    assert (tmp_path / "ml.zip").read_bytes() == BODY
    ranges = [asked for name, asked in site.asked if name == "ml.zip"]
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in ranges[1:] if asked]
    assert 80_000 < starts[0] <= 100_000
    assert starts[0] + 280_000 < starts[1] <= starts[0] + 300_000
    assert starts[2] == starts[1]
    assert len(ranges) == 4


def test_the_next_run_takes_up_what_a_killed_one_left(site: Site, tmp_path: Path) -> None:
    (tmp_path / "ml.zip.part").write_bytes(BODY[:500_000])
    download.download(tmp_path / "ml.zip", settings(site))
    assert (tmp_path / "ml.zip").read_bytes() == BODY
    assert site.asked[-1] == ("ml.zip", "bytes=500000-")


def test_a_site_without_ranges_sends_the_whole_which_replaces_what_was_left(site: Site, tmp_path: Path) -> None:
    (tmp_path / "ml.zip.part").write_bytes(BODY[:500_000])
    site.ranges = False
    download.download(tmp_path / "ml.zip", settings(site))
    assert (tmp_path / "ml.zip").read_bytes() == BODY
    assert len([name for name, _ in site.asked if name == "ml.zip"]) == 1


@pytest.mark.parametrize("left", [BODY, BODY + b"more", b"an older release"])
@pytest.mark.parametrize("ranges", [True, False])
def test_what_was_left_is_never_trusted(site: Site, tmp_path: Path, left: bytes, ranges: bool) -> None:
    (tmp_path / "ml.zip.part").write_bytes(left)
    site.ranges = ranges
    download.download(tmp_path / "ml.zip", settings(site))
    assert (tmp_path / "ml.zip").read_bytes() == BODY


def test_a_wrong_checksum_leaves_nothing(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"its md5 is {hashlib.md5(BODY).hexdigest()}, wanted {'0' * 32}"):
        download.download(tmp_path / "ml.zip", settings(site, checksum="0" * 32))
    assert list(tmp_path.iterdir()) == []


def test_a_stated_checksum_needs_no_published_one(site: Site, tmp_path: Path) -> None:
    del site.files["ml.zip.md5"]
    with pytest.raises(ValueError, match=r"ml.zip.md5: status 404"):
        download.download(tmp_path / "ml.zip", settings(site))
    download.download(tmp_path / "ml.zip", settings(site, checksum=hashlib.md5(BODY).hexdigest().upper()))
    site.files |= {"other.zip": BODY, "other.zip.md5": b"<html>"}
    with pytest.raises(ValueError, match="no md5 in it"):
        download.download(tmp_path / "other.zip", settings(site))


def test_faults_are_retried_so_often_and_what_came_is_kept(site: Site, tmp_path: Path) -> None:
    site.fails = [503, 429]
    download.download(tmp_path / "ml.zip", settings(site))
    site.fails = [503] * 9
    (tmp_path / "b.zip.part").write_bytes(b"x")
    site.files |= {"b.zip": b"xyz", "b.zip.md5": hashlib.md5(b"xyz").hexdigest().encode()}
    with pytest.raises(ValueError, match=r"status 503 \(after 3 tries\); what came lies in .*b.zip.part"):
        download.download(tmp_path / "b.zip", settings(site))
    assert (tmp_path / "b.zip.part").read_bytes() == b"x"


def test_a_download_without_end_is_stopped(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"more than 0\.001 gigabytes"):
        download.download(tmp_path / "ml.zip", settings(site, gigabytes=0.001))


def pack(path: Path, members: dict[str, bytes], link: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = ((stat.S_IFLNK if name == link else stat.S_IFREG) | 0o644) << 16
            packed.writestr(info, body)
    return path


def test_only_the_files_asked_for_come_out(tmp_path: Path) -> None:
    members = {"ml/ratings.csv": b"r", "ml/movies.csv": b"m", "ml/genome-scores.csv": b"g", "ml/": b""}
    found = archive.unpack(pack(tmp_path / "a.zip", members), tmp_path / "out", FILES, 1)
    assert {p.name: p.read_bytes() for p in found.iterdir()} == {"ratings.csv": b"r", "movies.csv": b"m"}


@pytest.mark.parametrize("name", ["../../ratings.csv", "/tmp/evil/ratings.csv", "a/../../../ratings.csv"])
def test_names_in_the_archive_are_no_paths(tmp_path: Path, name: str) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    archive.unpack(pack(deep / "a.zip", {name: b"r"}), deep / "out", FILES, 1)
    files = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert files == ["a/b/a.zip", "a/b/out/ratings.csv"]


def test_links_bombs_twins_and_empty_archives_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bz.zip", "w", zipfile.ZIP_BZIP2) as packed:
        packed.writestr("ml/ratings.csv", b"r")
    locked = bytearray(pack(tmp_path / "locked.zip", {"ml/ratings.csv": b"r"}).read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(header) + flags] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    for name in ("bz.zip", "locked.zip"):
        with pytest.raises(ValueError, match=rf"{name}: ml/ratings.csv is encrypted or packed by another"):
            archive.unpack(tmp_path / name, tmp_path / "out", FILES, 1)
    cases = {
        "is a link": pack(tmp_path / "link.zip", {"ml/ratings.csv": b"/etc/passwd"}, link="ml/ratings.csv"),
        "more than 0.001 gigabytes": pack(tmp_path / "bomb.zip", {"ml/ratings.csv": b"0" * 5_000_000}),
        "in it twice": pack(tmp_path / "twins.zip", {"a/ratings.csv": b"r", "b/ratings.csv": b"s"}),
        "none of": pack(tmp_path / "none.zip", {"a/readme": b"r"}),
    }
    for why, path in cases.items():
        with pytest.raises(ValueError, match=why):
            archive.unpack(path, tmp_path / "out", FILES, 0.001)
    assert not (tmp_path / "out").exists()
    assert not [p for p in tmp_path.iterdir() if p.is_dir()]


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    packed = pack(tmp_path / "a.zip", {"ml/ratings.csv": bytes(range(256)) * 99}).read_bytes()
    for body in (packed[:-30], b"<html>", packed[:60] + b"\xff\xff\xff" + packed[63:]):
        (tmp_path / "b.zip").write_bytes(body)
        with pytest.raises(ValueError, match=r"b.zip: no whole .zip"):
            archive.unpack(tmp_path / "b.zip", tmp_path / "out", FILES, 1)
        assert not (tmp_path / "out").exists()


def test_any_damage_to_an_archive_is_an_error_of_ours(tmp_path: Path) -> None:
    """Every byte of its headers, and the sizes that a reader believes."""
    packed = pack(tmp_path / "a.zip", {"ml/ratings.csv": b"userId" * 40, "ml/movies.csv": b"movieId" * 40})
    whole, raised = packed.read_bytes(), set()
    for place in range(len(whole)):
        for value in (0xFF, whole[place] ^ 0x55):
            (tmp_path / "b.zip").write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                found = archive.unpack(tmp_path / "b.zip", tmp_path / "out", FILES, 0.001)
            except ValueError as error:
                known = r"^.*b\.zip: (no whole|[\w/.]+ is|none of|unpacks|.* in it twice).*"
                raised.add(re.sub(known, r"\1", str(error)))
            else:
                for file in found.iterdir():
                    file.unlink()
                found.rmdir()
    assert "no whole" in raised
    assert not [error for error in raised if "b.zip" in error], "each names the file and says what is wrong"
    assert not (tmp_path / "out").exists()


def test_where_a_data_set_is_looked_for(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as packed:
        packed.writestr("ml/ratings.csv", "r")
    site.files |= {"ml.zip": body.getvalue(), "ml.zip.md5": hashlib.md5(body.getvalue()).hexdigest().encode()}
    first = archive.release_folder("ml", "", FILES, settings(site))
    assert (first / "ratings.csv").read_text() == "r"
    count = len(site.asked)
    assert archive.release_folder("ml", "", FILES, settings(site)) == first
    assert archive.release_folder("ml", str(first), FILES, settings(site)) == first
    mine = archive.release_folder("ml", str(tmp_path / ".cache/downloads/ml.zip"), FILES, settings(site))
    assert (mine / "ratings.csv").read_text() == "r"
    (first / "ratings.csv").unlink()
    first.rmdir()
    assert archive.release_folder("ml", "", FILES, settings(site)) == first  # the archive is there still
    assert len(site.asked) == count
    with pytest.raises(
        FileNotFoundError,
        match=r"nowhere: no such .*; a folder or a \.zip will do; empty: ml is downloaded",
    ):
        archive.release_folder("ml", str(tmp_path / "nowhere"), FILES, settings(site))
    (tmp_path / "ratings.csv").write_text("mine")
    os.mkfifo(tmp_path / "pipe.zip")
    for name in ("ratings.csv", "pipe.zip"):
        with pytest.raises(ValueError, match=rf"{name}: neither a folder nor a \.zip; name the folder that holds"):
            archive.release_folder("ml", str(tmp_path / name), FILES, settings(site))
    first.rename(tmp_path / "away")
    with pytest.raises(ValueError, match="its md5 is"):
        archive.release_folder("ml", "", FILES, settings(site, checksum="0" * 32))
