"""A data set's folder: where it lies, or unpacked from its archive to the few files asked for."""

import os
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path

from engine.tables.files import cache
from stages.ingest.reading.download import Download, download, md5

_BLOCK = 1 << 20


def release_folder(name: str, folder: str, files: tuple[str, ...], settings: Download) -> Path:
    """The folder that holds `files` of `name`: `folder`, the archive it names, .cache/downloads, or a download.

    Raises:
        FileNotFoundError: `folder` is neither a folder nor an archive.
        ValueError: the download, its checksum or the archive will not do.
    """
    if folder:
        if not Path(folder).exists():
            raise FileNotFoundError(f"{folder}: neither a folder nor a .zip; leave `folder` empty to download {name}")
        return folder_or_unpacked(Path(folder), files, settings.gigabytes)
    target = cache("downloads") / name
    if target.is_dir():
        return target
    packed = target.with_name(f"{name}.zip")
    if not packed.exists():
        download(packed, settings)
    elif settings.checksum and md5(packed) != settings.checksum.lower():
        raise ValueError(f"{packed}: its md5 is {md5(packed)}, wanted {settings.checksum}; remove the file")
    return unpack(packed, target, files, settings.gigabytes)


def folder_or_unpacked(place: Path, files: tuple[str, ...], gigabytes: float, checksum: str = "") -> Path:
    """A folder as it is; a .zip unpacked to .cache/downloads, its md5 compared where one is given.

    Raises:
        FileNotFoundError: `place` is neither a folder nor an archive.
        ValueError: its checksum or the archive will not do.
    """
    if place.is_dir():
        return place
    if not place.is_file():
        raise FileNotFoundError(f"{place}: neither a folder nor a .zip of {', '.join(files[:4])}")
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
        with zipfile.ZipFile(packed) as archive, tempfile.TemporaryDirectory(dir=target.parent) as folder:
            for member, name in _members(packed, archive, files):
                with archive.open(member) as source, Path(folder, name).open("wb") as file:
                    while block := source.read(_BLOCK):
                        left -= len(block)
                        if left < 0:
                            raise ValueError(f"{packed}: unpacks to more than {gigabytes} gigabytes; raise `gigabytes`")
                        file.write(block)
            whole = Path(folder).rename(f"{folder}.whole")
            os.rename(whole, target)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{packed}: no whole .zip ({error}); remove it and load it again") from None
    return target


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
