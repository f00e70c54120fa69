"""Pictures as bytes: whether they are whole, and as RGB, whatever they were."""

import hashlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

# raster formats only: Pillow would hand EPS to another program, and an ICO hides a picture of another size
_RASTER = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
Image.init()
FORMATS = tuple(name for name in _RASTER if name in Image.OPEN)
PIXELS, BYTES = 50_000_000, 50_000_000
DECODED = 2**30  # bytes that pictures take while they are decoded, all threads together
_PIXEL = 16  # bytes a pixel, with the copies on the way
_STRIP = 2**18  # pixels that are scaled together
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TOPS = {"I": (255.0, 65535.0), "F": (1.0, 255.0)}  # what white may be in a picture of 32 bits; of 16 it is 65535
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


class _Budget:
    """Bytes that threads share: one that wants more than is left waits, unless nothing is taken."""

    def __init__(self, most: int):
        self.most, self.taken, self.change = most, 0, threading.Condition()

    @contextmanager
    def take(self, size: int) -> Iterator[None]:
        with self.change:
            self.change.wait_for(lambda: not self.taken or self.taken + size <= self.most)
            self.taken += size
        try:
            yield
        finally:
            with self.change:
                self.taken -= size
                self.change.notify_all()


_budget = _Budget(DECODED)


def inspect(data: bytes, pixels: int = PIXELS, size: int = BYTES) -> Picture:
    """What `data` holds, decoded to its end; at most `pixels` of picture and `size` bytes of file.

    Raises:
        BadPicture: no picture, a cut one, one beyond the limits (a bomb is refused before it is decoded).
    """
    with _reading(), _loaded(data, pixels, size, 0) as (image, turn):
        width, height = image.size[::-1] if turn >= 5 else image.size
    return Picture(str(image.format), width, height, hashlib.sha256(data).hexdigest())


def rgb(data: bytes, pixels: int = PIXELS, size: int = BYTES, least: int = 0) -> Image.Image:
    """The picture as it is shown, in RGB: first frame, turned as EXIF says, alpha on white, 16 bit scaled to 8.

    With `least`, a JPEG may be decoded at a fraction of its size, no side shorter than `least`.

    Raises:
        BadPicture: as `inspect`.
    """
    with _reading(), _loaded(data, pixels, size, least) as (image, turn):
        return _shown(image, turn)


def resized(data: bytes, least: int, fit: Callable[[int, int], tuple[int, int]]) -> np.ndarray:
    """The picture as `rgb` gives it, brought to the width and height that `fit` makes of its own [H, W, 3].

    Raises:
        BadPicture: as `inspect`.
    """
    with _reading(), _loaded(data, PIXELS, BYTES, least) as (image, turn):
        shown = _shown(image, turn)
        return np.asarray(shown.resize(fit(*shown.size), Image.Resampling.BILINEAR, reducing_gap=2.0))


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


@contextmanager
def _loaded(data: bytes, pixels: int, size: int, least: int) -> Iterator[tuple[Image.Image, int]]:
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
    width, height = image.size
    with _budget.take(_PIXEL * width * height):
        yield _whole(image, data)


def _whole(image: Image.Image, data: bytes) -> tuple[Image.Image, int]:
    image.load()
    end = data.rstrip(b"\0\r\n")
    if (image.format == "PNG" and b"IEND\xaeB`\x82" not in data) or (image.format == "GIF" and not end.endswith(b";")):
        raise BadPicture(f"cut: this {image.format} has no end")
    with _quiet():
        turn = image.getexif().get(0x0112, 1)
    return image, turn if isinstance(turn, int) else 1


def _shown(image: Image.Image, turn: int) -> Image.Image:
    plain = _flat(image)
    return plain.transpose(_TURN[turn]) if turn in _TURN else plain


def _flat(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled(image)
    if image.mode in _ALPHA or "transparency" in image.info:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits, from 0 to the least of `_TOPS` that holds it; what none holds, least to greatest."""
    grey_HW = np.asarray(image)
    rows = max(_STRIP // max(grey_HW.shape[1], 1), 1)
    strips = [slice(top, top + rows) for top in range(0, len(grey_HW), rows)]
    low, high = _bounds([grey_HW[strip] for strip in strips])
    if low > high:
        raise BadPicture(f"mode {image.mode} without one finite value")
    if fits := [top for top in _TOPS.get(image.mode, (65535.0,)) if low >= 0 and high <= top]:
        low, high = 0.0, fits[0]
    byte_HW = np.empty(grey_HW.shape, np.uint8)
    for strip in strips:
        part_HW = grey_HW[strip].astype(np.float64)
        part_HW = (np.where(np.isfinite(part_HW), part_HW, low) - low) / max(high - low, 1e-12)
        byte_HW[strip] = np.rint(part_HW * 255).astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        byte_HW[grey_HW == clear] = 255
    return Image.fromarray(byte_HW).convert("RGB")


def _bounds(parts: list[np.ndarray]) -> tuple[float, float]:
    """The least and the greatest finite value; where there is none, infinity and its negative."""
    low, high = float("inf"), float("-inf")
    for part_HW in parts:
        finite_X = part_HW[np.isfinite(part_HW)]
        if finite_X.size:
            low, high = min(low, float(finite_X.min())), max(high, float(finite_X.max()))
    return low, high
