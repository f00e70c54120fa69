"""Whether a file that should be text is some: known by its first bytes, whatever its name says."""

import re
from pathlib import Path

_BEGIN = 64  # bytes that are looked at
_ZEROS = 0.8  # of every second byte: letters of Latin in UTF-16
_OTHER = {  # how files begin that are no text
    rb"\x1f\x8b": "it is packed by gzip: unpack it",
    rb"PK\x03\x04": "it is a .zip or a spreadsheet: unpack it, or save it as CSV",
    rb"PAR1": "it is Parquet: let its name end in .parquet",
    rb"BZh[1-9]1AY&SY": "it is packed by bzip2: unpack it",
    rb"\xfd7zXZ\x00": "it is packed by xz: unpack it",
    rb"\x28\xb5\x2f\xfd": "it is packed by zstd: unpack it",
    rb"7z\xbc\xaf\x27\x1c": "it is packed by 7-Zip: unpack it",
    rb"Rar!\x1a\x07": "it is packed by RAR: unpack it",
    rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "it is a spreadsheet of an old kind (.xls): save it as CSV",
    rb"ARROW1\x00": "it is Arrow: write it as Parquet",
    rb"SQLite format 3\x00": "it is a database of SQLite: write its table as CSV",
}


def refuse_other(path: Path, begin: bytes | None = None) -> None:
    """Refuse a file that is no text in UTF-8 or the like; `begin`: its first bytes, where they are known.

    Raises:
        ValueError: UTF-16 or UTF-32, packed, a spreadsheet, Parquet …; says which, and what would do.
    """
    if begin is None:
        with path.open("rb") as file:
            begin = file.read(_BEGIN)
    begin = begin[:_BEGIN]
    if begin[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        raise ValueError(f"{path}: this is UTF-32; save it as UTF-8")
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{path}: this is UTF-16; save it as UTF-8")
    if told := next((told for magic, told in _OTHER.items() if re.match(magic, begin)), ""):
        raise ValueError(f"{path}: no text; {told}")
    if any(half.count(0) > _ZEROS * len(half) for half in (begin[::2], begin[1::2]) if half):
        said = "every second byte is zero: UTF-16 without its mark, or a lost file; save it as UTF-8"
        raise ValueError(f"{path}: {said}")
