"""A data set's folder: where it lies, or unpacked from its .zip to the few files asked for."""

import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from engine.tables.files import cache
from stages.ingest.reading import raw_files
from stages.ingest.reading.download import Download, download, md5
from stages.ingest.reading.progress import bytes_bar

_BLOCK = 1 << 20
_DAMAGED = (  # all that zipfile has been seen to raise on damaged bytes
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    ValueError,
    RuntimeError,  # NotImplementedError too
)


def release_folder(name: str, folder: str, files: tuple[str, ...], settings: Download) -> Path:
    """The folder that holds `files` of `name`: `folder`, the archive it names, .cache/downloads, or a download.

    Raises:
        FileNotFoundError: `folder` is neither a folder nor an archive.
        ValueError: the download, its checksum or the archive will not do.
    """
    if folder:
        return folder_or_unpacked(folder, files, settings.gigabytes, hint=f"; empty: {name} is downloaded")
    target = cache("downloads") / name
    if target.is_dir():
        return target
    packed = target.with_name(f"{name}.zip")
    if not packed.exists():
        download(packed, settings)
    elif settings.checksum and md5(packed) != settings.checksum.lower():
        raise ValueError(f"{packed}: its md5 is {md5(packed)}, wanted {settings.checksum}; remove the file")
    return unpack(packed, target, files, settings.gigabytes)


def folder_or_unpacked(
    folder: str, files: tuple[str, ...], gigabytes: float, checksum: str = "", hint: str = ""
) -> Path:
    """A folder as it is; a .zip unpacked to .cache/downloads, its md5 compared where one is given.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: it is neither, or its checksum or the archive will not do.
    """
    place = raw_files.find(folder, f"; a folder or a .zip will do{hint}")
    if place.is_dir():
        return place
    if not place.is_file() or not (place.suffix.lower() == ".zip" or zipfile.is_zipfile(place)):
        told = f"name the folder that holds {', '.join(files[:3])} …"
        raise ValueError(f"{place}: neither a folder nor a .zip; {told}{hint}")
    own = md5(place)
    if checksum and own != checksum.lower():
        raise ValueError(f"{place}: its md5 is {own}, wanted {checksum}; load it again, or mend `checksum`")
    return unpack(place, cache("downloads") / f"{place.stem}-{own[:12]}", files, gigabytes)


def unpack(packed: Path, target: Path, files: tuple[str, ...], gigabytes: float) -> Path:
    """Those members whose file name is in `files`, to `target/<name>`; the folder appears whole.

    Names in the archive never become paths here, links are refused, and sizes are counted as they come, not believed.
    """
    if target.is_dir():
        return target
    left = int(gigabytes * 1e9)
    try:
        archive = zipfile.ZipFile(packed)
    except _DAMAGED as error:
        raise _damaged(packed, error) from None
    with archive, tempfile.TemporaryDirectory(dir=target.parent) as folder, bytes_bar() as bar:
        members = _members(packed, archive, files)
        task = bar.add_task(packed.name, total=sum(member.file_size for member, _ in members))
        for member, name in members:
            with Path(folder, name).open("wb") as file:
                for block in _unpacked(packed, archive, member):
                    left -= len(block)
                    if left < 0:
                        raise ValueError(f"{packed}: unpacks to more than {gigabytes} gigabytes; raise `gigabytes`")
                    file.write(block)
                    bar.update(task, advance=len(block))
        whole = Path(folder).rename(f"{folder}.whole")
        os.rename(whole, target)
    return target


def _unpacked(packed: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(member) as source:
            while block := source.read(_BLOCK):
                yield block
    except _DAMAGED as error:
        raise _damaged(packed, error, f" at {member.filename}") from None


def _damaged(packed: Path, error: Exception, where: str = "") -> ValueError:
    return ValueError(f"{packed}: no whole .zip{where} ({error}); remove it and load it again")


def _members(packed: Path, archive: zipfile.ZipFile, files: tuple[str, ...]) -> list[tuple[zipfile.ZipInfo, str]]:
    found: dict[str, zipfile.ZipInfo] = {}
    wanted = frozenset(files)
    for member in archive.infolist():
        name = member.filename.rsplit("/", 1)[-1]
        if name not in wanted:
            continue
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ValueError(f"{packed}: {member.filename} is a link; only plain files are unpacked")
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{packed}: {member.filename} is encrypted or packed by another method than deflate")
        if name in found:
            raise ValueError(f"{packed}: {name} is in it twice ({found[name].filename}, {member.filename})")
        found[name] = member
    if not found:
        raise ValueError(f"{packed}: none of {list(files[:12])} in it")
    return [(member, name) for name, member in found.items()]
