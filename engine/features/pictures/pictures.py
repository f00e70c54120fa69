"""Pictures as bytes: whether they are whole, and as RGB, whatever they were."""

import hashlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

# raster formats only: Pillow would hand EPS to another program, and an ICO hides a picture of another size
_RASTER = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
Image.init()
FORMATS = tuple(name for name in _RASTER if name in Image.OPEN)
PIXELS, BYTES = 50_000_000, 50_000_000
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ALPHA = ("RGBA", "RGBa", "LA", "La", "PA")
_heads = threading.Lock()


class BadPicture(ValueError):
    """Bytes that are no whole picture within the limits; the message says why."""


@dataclass(frozen=True)
class Picture:
    """What is known of a picture: its format as Pillow names it, and its size as it is shown (turned as EXIF says)."""

    format: str
    width: int
    height: int
    sha256: str


def inspect(data: bytes, pixels: int = PIXELS, size: int = BYTES) -> Picture:
    """What `data` holds, decoded to its end; at most `pixels` of picture and `size` bytes of file.

    Raises:
        BadPicture: no picture, a cut one, one beyond the limits (a bomb is refused before it is decoded).
    """
    with _reading():
        image, turn = _load(data, pixels, size, 0)
        width, height = image.size[::-1] if turn >= 5 else image.size
    return Picture(str(image.format), width, height, hashlib.sha256(data).hexdigest())


def rgb(data: bytes, pixels: int = PIXELS, size: int = BYTES, least: int = 0) -> Image.Image:
    """The picture as it is shown, in RGB: first frame, turned as EXIF says, alpha on white, 16 bit scaled to 8.

    With `least`, a JPEG may be decoded at a fraction of its size, no side shorter than `least`.

    Raises:
        BadPicture: as `inspect`.
    """
    with _reading():
        image, turn = _load(data, pixels, size, least)
        plain = _flat(image)
        return plain.transpose(_TURN[turn]) if turn in _TURN else plain


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except BadPicture:
        raise
    # hostile bytes make decoders raise nearly anything (struct.error, SyntaxError, KeyError, MemoryError …)
    except Exception as error:
        what = str(error).partition(" <_io.")[0] or "no reason given"
        raise BadPicture(f"{type(error).__name__}: {what}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns of odd heads; the filters of `warnings` belong to all threads, so one head is read at a time."""
    with _heads, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _load(data: bytes, pixels: int, size: int, least: int) -> tuple[Image.Image, int]:
    """The decoded picture as it lies in the file, and its EXIF orientation (1 to 8)."""
    if not data:
        raise BadPicture("no bytes")
    if len(data) > size:
        raise BadPicture(f"{len(data):,} bytes; at most {size:,} are read")
    with _quiet():
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = image.size
    if width * height > pixels:
        raise BadPicture(f"{width} x {height} pixels; at most {pixels:,} are decoded")
    if least:
        image.draft("RGB" if image.mode == "YCbCr" else None, (least, least))
    image.load()
    end = data.rstrip(b"\0\r\n")
    if (image.format == "PNG" and b"IEND\xaeB`\x82" not in data) or (image.format == "GIF" and not end.endswith(b";")):
        raise BadPicture(f"cut: this {image.format} has no end")
    with _quiet():
        turn = image.getexif().get(0x0112, 1)
    return image, turn if isinstance(turn, int) else 1


def _flat(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled(image)
    if image.mode in _ALPHA or "transparency" in image.info:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits: 16 bits by 257; wider or real numbers from their least to their greatest."""
    grey_HW = np.asarray(image).astype(np.float64)
    finite_HW = np.isfinite(grey_HW)
    if not finite_HW.any():
        raise BadPicture(f"mode {image.mode} without one finite value")
    low, high = float(grey_HW[finite_HW].min()), float(grey_HW[finite_HW].max())
    if image.mode != "F" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    elif image.mode == "F" and low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    share_HW = (np.where(finite_HW, grey_HW, low) - low) / max(high - low, 1e-12)
    byte_HW = np.rint(share_HW * 255).astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        byte_HW[grey_HW == clear] = 255
    return Image.fromarray(byte_HW).convert("RGB")
