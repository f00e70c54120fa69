"""Posters drawn with Pillow: a palette, a pattern, objects at known boxes, the title."""

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from stages.ingest.world.lexicon import lexicon, shapes

WIDTH, HEIGHT = 200, 300
_SCALE = 2  # drawn larger, then reduced, for smooth edges
_LINES = ("line", "arc")


def draw_poster(title: str, palette: str, objects: Mapping[str, tuple[float, ...]], rng: np.random.Generator) -> bytes:
    """A JPEG; `objects` are painted in their boxes (left, top, right, bottom in 0..1 of the picture)."""
    dark, middle, light = (lexicon().palettes | lexicon().vivid)[palette]
    picture = _gradient(dark, middle)
    draw = ImageDraw.Draw(picture, "RGBA")
    _PATTERNS[int(rng.integers(len(_PATTERNS)))](draw, ImageColor.getrgb(light), rng)
    for name, box in objects.items():
        left, top, right, bottom = (v * _SCALE * s for v, s in zip(box, (WIDTH, HEIGHT) * 2, strict=True))
        for primitive in shapes()[name]:
            _paint(draw, primitive, (left, top), (right - left) / 100, (bottom - top) / 100)
    _caption(draw, title, dark, light)
    file = io.BytesIO()
    picture.reduce(_SCALE).save(file, "JPEG", quality=88)
    return file.getvalue()


def _gradient(dark: str, middle: str) -> Image.Image:
    share_H = np.linspace(0, 1, HEIGHT * _SCALE)[:, None]
    colour_H3 = share_H * ImageColor.getrgb(middle) + (1 - share_H) * ImageColor.getrgb(dark)
    return Image.fromarray(np.repeat(colour_H3[:, None].astype(np.uint8), WIDTH * _SCALE, axis=1))


def _paint(draw: ImageDraw.ImageDraw, primitive: list[Any], corner: tuple[float, float], dx: float, dy: float) -> None:
    kind, colour, *numbers = primitive
    stroke = max(1, round(numbers.pop(0) * (dx + dy) / 2)) if kind in _LINES else 0
    end, start = (numbers.pop(), numbers.pop()) if kind in ("arc", "chord") else (0, 0)
    points = [(corner[0] + x * dx, corner[1] + y * dy) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    if kind == "ellipse":
        draw.ellipse(points, fill=colour)
    elif kind == "polygon":
        draw.polygon(points, fill=colour)
    elif kind == "chord":
        draw.chord(points, start, end, fill=colour)
    elif kind == "arc":
        draw.arc(points, start, end, fill=colour, width=stroke)
    elif kind == "line":
        draw.line(points, fill=colour, width=stroke, joint="curve")
    else:
        raise ValueError(f"shapes.yaml: {kind!r} is no primitive; ellipse, chord, polygon, line and arc are")


# ---- patterns behind the objects: faint, in the palette's light colour

Colour = tuple[int, ...]


def _rays(draw: ImageDraw.ImageDraw, colour: Colour, rng: np.random.Generator) -> None:
    x, y, far = WIDTH * _SCALE * rng.uniform(0.3, 0.7), HEIGHT * _SCALE * 0.42, WIDTH * _SCALE * 2
    for angle in np.arange(0, 2 * math.pi, math.pi / 8) + rng.uniform(0, 1):
        edges = [(x + far * math.cos(a), y + far * math.sin(a)) for a in (angle, angle + math.pi / 16)]
        draw.polygon([(x, y), *edges], fill=(*colour, 34))


def _disc(draw: ImageDraw.ImageDraw, colour: Colour, rng: np.random.Generator) -> None:
    x, y, r = WIDTH * _SCALE * rng.uniform(0.3, 0.7), HEIGHT * _SCALE * rng.uniform(0.3, 0.5), WIDTH * _SCALE * 0.42
    for ring in (1.0, 0.8, 0.6):
        draw.ellipse((x - r * ring, y - r * ring, x + r * ring, y + r * ring), fill=(*colour, 40))


def _stripes(draw: ImageDraw.ImageDraw, colour: Colour, rng: np.random.Generator) -> None:
    slant, step = rng.uniform(-0.6, 0.6) * HEIGHT * _SCALE, WIDTH * _SCALE / 6
    for left in np.arange(-8, 16) * step:
        corners = [(left, 0), (left + step / 2, 0), (left + step / 2 + slant, HEIGHT * _SCALE)]
        draw.polygon([*corners, (left + slant, HEIGHT * _SCALE)], fill=(*colour, 30))


def _hills(draw: ImageDraw.ImageDraw, colour: Colour, rng: np.random.Generator) -> None:
    for height in (0.55, 0.68, 0.8):
        phase, waves = rng.uniform(0, 6), rng.uniform(0.8, 1.6)
        xs = np.linspace(0, 1, 41)
        ys = height + 0.05 * np.sin(phase + xs * waves * 2 * math.pi)
        line = [(x * WIDTH * _SCALE, y * HEIGHT * _SCALE) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
        draw.polygon([*line, (WIDTH * _SCALE, HEIGHT * _SCALE), (0, HEIGHT * _SCALE)], fill=(*colour, 38))


_PATTERNS = (_rays, _disc, _stripes, _hills)


def _caption(draw: ImageDraw.ImageDraw, title: str, dark: str, light: str) -> None:
    size, words = 19 * _SCALE, title.upper().split()
    cut = min(range(1, len(words) + 1), key=lambda n: abs(len(" ".join(words[:n])) - len(" ".join(words[n:]))))
    lines = [" ".join(part) for part in (words[:cut], words[cut:]) if part]
    font = ImageFont.load_default(size)
    while max(draw.textlength(line, font=font) for line in lines) > (WIDTH - 16) * _SCALE:
        size -= _SCALE
        font = ImageFont.load_default(size)
    top = (HEIGHT - 50) * _SCALE
    draw.rectangle((0, top, WIDTH * _SCALE, HEIGHT * _SCALE), fill=(*ImageColor.getrgb(dark), 235))
    draw.line((0, top, WIDTH * _SCALE, top), fill=light, width=_SCALE)
    for row, line in enumerate(lines):
        y = top + 25 * _SCALE + (row - (len(lines) - 1) / 2) * size * 1.15
        draw.text((WIDTH * _SCALE / 2, y), line, fill="#ffffff", font=font, anchor="mm")
