"""What code a result hangs on, so that what an older one left is not gone on with."""

import hashlib
from pathlib import Path


def digest(*places: Path) -> str:
    """Of the Python files that these are, or that lie in these folders: where they lie and what they hold."""
    sha = hashlib.sha256()
    for place in places:
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            sha.update(f"{file.relative_to(place.parent)}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return sha.hexdigest()
