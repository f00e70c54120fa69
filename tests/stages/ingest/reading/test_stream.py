import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.ingest.reading.stream import Limits, blocks

LIMITS = Limits(gigabytes=1, megabytes=1)


@settings(deadline=None)  # files: as slow as the disk
@given(
    st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b" ")), max_size=20),
    st.integers(1, 40),
    st.booleans(),
)
def test_blocks_are_the_file_in_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int, packed: bool
) -> None:
    text = b"#" + b"\n".join(lines)  # no byte order mark, no gzip mark
    path = tmp_path_factory.mktemp("stream") / "file"
    path.write_bytes(gzip.compress(text) if packed else text)
    found = list(blocks(path, LIMITS, size=size))
    assert b"".join(block.text for block in found) == text
    line = 1
    for block in found:
        assert block.first == line
        line += block.text.count(b"\n")
        assert block.text.endswith(b"\n") or block is found[-1]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("\ufeffone\n".encode())
    assert [block.text for block in blocks(tmp_path / "x", LIMITS)] == [b"one\n"]


def test_a_cut_archive_is_refused_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    whole = gzip.compress(b"".join(b"line %d\n" % n for n in range(100_000)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"x.gz: cut off or damaged after \d+ good bytes .*load it again"):
        list(blocks(path, LIMITS))
    path.write_bytes(whole[:1000] + b"\0\0\0\0" + whole[1004:])
    with pytest.raises(ValueError, match=r"cut off or damaged"):
        list(blocks(path, LIMITS))


def test_a_bomb_is_stopped_early(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"0123456\n" * 5_000_000))
    with pytest.raises(ValueError, match=r"near line \d+: it unpacks to more than 0.02 gigabytes; raise `gigabytes`"):
        list(blocks(path, Limits(gigabytes=0.02, megabytes=1)))
    path.write_bytes(gzip.compress(b"one\n" + b"0" * 40_000_000))
    with pytest.raises(ValueError, match=r"line 2: longer than 1.0 megabytes; raise `megabytes`"):
        list(blocks(path, LIMITS))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path.name}: no plain file"):
        list(blocks(tmp_path, Limits(gigabytes=1, megabytes=1)))


def test_utf16_and_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes("one\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"this is UTF-16; save it as UTF-8"):
        list(blocks(tmp_path / "x", LIMITS))
    for begin, why in ((b"PK\x03\x04", "it is a .zip"), (gzip.compress(gzip.compress(b"one\n")), "packed by gzip")):
        (tmp_path / "x").write_bytes(begin)
        with pytest.raises(ValueError, match=f"x: no text; .*{why}"):
            list(blocks(tmp_path / "x", LIMITS))
    with pytest.raises(FileNotFoundError, match=r"y: no such file"):
        list(blocks(tmp_path / "y", LIMITS))
