import io
import json
import os
import struct
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.features.pictures import pictures
from engine.features.pictures.pictures import BadPicture, Picture, inspect, rgb


def encoded(image: Image.Image, kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def flag(width: int = 40, height: int = 24) -> Image.Image:
    """Red above on the left, blue elsewhere: a turn or a mirror shows."""
    image = Image.new("RGB", (width, height), (20, 30, 220))
    image.paste((220, 30, 20), (0, 0, width // 2, height // 2))
    return image


def with_chunk(data: bytes, name: bytes, content: bytes) -> bytes:
    """A PNG with one more chunk before its pixels."""
    place = data.index(b"IDAT") - 4
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return data[:place] + chunk + data[place:]


def at(image: Image.Image, x: float, y: float) -> tuple[int, ...]:
    assert image.mode == "RGB"
    found = image.getpixel((int(x * (image.width - 1)), int(y * (image.height - 1))))
    assert isinstance(found, tuple)
    return found


def is_red(image: Image.Image, x: float, y: float) -> bool:
    r, _, b = at(image, x, y)
    return r > 150 > b


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_reads_format(kind: str) -> None:
    data = encoded(flag(), kind)
    found = inspect(data)
    assert (found.format, found.width, found.height) == (kind, 40, 24)
    assert len(found.sha256) == 64
    assert is_red(rgb(data), 0.2, 0.2)
    assert not is_red(rgb(data), 0.8, 0.8)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.995])
def test_refuses_a_cut_picture(kind: str, share: float) -> None:
    noise_HWC = np.random.default_rng(1).integers(0, 255, (60, 50, 3), np.uint8)
    data = encoded(Image.fromarray(noise_HWC), kind)
    with pytest.raises(BadPicture):
        inspect(data[: int(share * len(data))])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_refuses_an_animation_cut_after_its_first_frame(kind: str) -> None:
    frames = [flag(), Image.effect_noise((40, 24), 90).convert("RGB"), flag().rotate(180)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
    assert is_red(rgb(data), 0.2, 0.2)
    with pytest.raises(BadPicture):
        inspect(data[: int(0.8 * len(data))])


@pytest.mark.parametrize(("turn", "corner"), [(1, (0, 0)), (2, (1, 0)), (3, (1, 1)), (4, (0, 1)),
                                              (5, (0, 0)), (6, (1, 0)), (7, (1, 1)), (8, (0, 1))])  # fmt: skip
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_turns_as_exif_says(kind: str, turn: int, corner: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(flag(), kind, exif=exif)
    shown = rgb(data)
    assert shown.size == ((24, 40) if turn >= 5 else (40, 24))
    assert (inspect(data).width, inspect(data).height) == shown.size
    for x in (0, 1):
        for y in (0, 1):
            assert is_red(shown, 0.15 + 0.7 * x, 0.15 + 0.7 * y) == ((x, y) == corner)


def test_alpha_goes_onto_white() -> None:
    image = flag().convert("RGBA")
    image.putalpha(0)
    assert at(rgb(encoded(image, "PNG")), 0.2, 0.2) == (255, 255, 255)
    grey = Image.merge("LA", (Image.new("L", (8, 8), 0), Image.new("L", (8, 8), 128)))
    assert at(rgb(encoded(grey, "PNG")), 0.5, 0.5) == pytest.approx((127, 127, 127), abs=1)
    palette = flag().quantize(4)
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert at(rgb(encoded(palette, "GIF")), 0.1, 0.1) == (255, 255, 255)
    assert not is_red(rgb(encoded(palette, "PNG")), 0.1, 0.1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    ramp_HW = np.tile(np.linspace(0, 60000, 100).astype(np.uint16), (4, 1))
    shown_HWC = np.asarray(rgb(encoded(Image.fromarray(ramp_HW), kind)))
    np.testing.assert_allclose(shown_HWC[0, :, 0], ramp_HW[0] / 257, atol=1)


@pytest.mark.parametrize(("top", "white"), [(200, 255), (255, 255), (256, 65535), (60000, 65535)])
def test_integers_of_32_bits_are_read_as_the_bits_that_hold_them(top: int, white: int) -> None:
    ramp_HW = np.tile(np.linspace(0, top, 64).astype(np.int32), (4, 1))
    shown_HWC = np.asarray(rgb(encoded(Image.fromarray(ramp_HW), "TIFF")))
    np.testing.assert_allclose(shown_HWC[0, :, 0], ramp_HW[0] / white * 255, atol=0.51)


def test_a_transparent_grey_of_sixteen_bits_is_white() -> None:
    data = encoded(Image.fromarray(np.full((4, 4), 300, np.uint16)), "PNG")
    assert at(rgb(with_chunk(data, b"tRNS", struct.pack(">H", 300))), 0.5, 0.5) == (255, 255, 255)


def test_what_pillow_warns_of_is_read_without_a_warning() -> None:
    data = with_chunk(encoded(flag(), "PNG"), b"acTL", struct.pack(">II", 0, 0))
    with pytest.warns(UserWarning, match="Invalid APNG"):
        Image.open(io.BytesIO(data))
    assert is_red(rgb(data), 0.2, 0.2)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 255.0), (-5.0, 900.0)])
def test_real_numbers_are_scaled(low: float, high: float) -> None:
    ramp_HW = np.tile(np.linspace(low, high, 64, dtype=np.float32), (4, 1))
    ramp_HW[0, 0] = np.nan
    shown_HWC = np.asarray(rgb(encoded(Image.fromarray(ramp_HW), "TIFF")))
    assert shown_HWC[1, 0, 0] == 0
    assert shown_HWC[1, -1, 0] == 255
    assert shown_HWC[0, 0, 0] == 0


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr", "1", "L"])
def test_other_modes(mode: str) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0)) if mode == "CMYK" else None
    if mode == "LAB":
        image = Image.new("LAB", (8, 8), (136, 208, 195))
    image = image or Image.new("RGB", (8, 8), (255, 0, 0)).convert(mode)
    shown = rgb(encoded(image, "TIFF"))
    r, g, b = at(shown, 0.5, 0.5)
    assert (r, g) == (b, b) if mode in {"1", "L"} else r > 200 > 60 > max(g, b)


def test_limits_are_kept_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(flag(100, 100), "PNG")

    def decoded(_: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    with pytest.raises(BadPicture, match="100 x 100 pixels; at most 9,999"):
        inspect(data, pixels=9_999)
    with pytest.raises(BadPicture, match="bytes; at most 50"):
        rgb(data, size=50)


def test_a_bomb_is_refused() -> None:
    head = b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    with pytest.raises(BadPicture, match="pixels"):
        inspect(head + b"," + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x02\x02D\x01\0;")


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(BadPicture):
        rgb(data)


def test_other_programs_are_not_started() -> None:
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n"
    with pytest.raises(BadPicture, match="cannot identify"):
        inspect(script)


def test_a_jpeg_may_be_decoded_smaller() -> None:
    data = encoded(flag(800, 1200), "JPEG")
    assert rgb(data).size == (800, 1200)
    small = rgb(data, least=150)
    assert 150 <= min(small.size) < 400
    assert is_red(small, 0.2, 0.2)


@given(st.binary(max_size=300), st.integers(0, 400))
def test_damage_never_raises_anything_else(noise: bytes, place: int) -> None:
    whole = encoded(flag(), "PNG")
    for data in (noise, whole[:place] + noise + whole[place + len(noise) :]):
        with suppress(BadPicture):
            assert rgb(data).mode == "RGB"


def test_odd_pictures_of_the_real_folder() -> None:
    if not (real := os.environ.get("WHYREC_REAL")):
        pytest.skip("set WHYREC_REAL to the folder with data/odd_images/")
    folder = Path(real, "data", "odd_images")
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert len(manifest) > 100

    def read(name: str) -> tuple[str, Picture | None]:
        data = (folder / name).read_bytes()
        try:
            found = inspect(data)
            assert rgb(data).size == (found.width, found.height)
        except BadPicture:
            return name, None
        return name, found

    with ThreadPoolExecutor(4) as pool:
        for name, found in pool.map(read, manifest):
            told = manifest[name]
            assert (found is not None) == told["loads"], name
            if found is not None:
                # an orientation of 5 and more lays a picture on its side; Pillow turns a TIFF's size by itself
                size = told["size"][::-1] if (told["exif_orientation"] or 1) >= 5 else told["size"]
                assert (found.format, [found.width, found.height]) == (told["format"], size), name


def test_sixteen_bits_take_few_bytes_a_pixel() -> None:
    ramp_HW = (np.arange(1500 * 1000) % 65536).astype(np.uint16).reshape(1000, 1500)
    data = encoded(Image.fromarray(ramp_HW), "PNG")
    tracemalloc.start()
    shown = rgb(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 9 * ramp_HW.size
    np.testing.assert_array_equal(np.asarray(shown)[..., 1], np.rint(ramp_HW / 65535 * 255))


def test_threads_share_a_budget_and_what_is_larger_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    budget, seen = pictures._Budget(16 * 5000), []
    monkeypatch.setattr(pictures, "_budget", budget)
    flat = pictures._flat

    def noted(image: Image.Image) -> Image.Image:
        seen.append(budget.taken)
        time.sleep(0.02)
        return flat(image)

    monkeypatch.setattr(pictures, "_flat", noted)
    sizes = [(40, 50)] * 6 + [(100, 100)] * 2
    encodings = [encoded(Image.new("RGB", size), "PNG") for size in sizes]
    with ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(rgb, encodings))
        refused = [pool.submit(rgb, data[:-30]) for data in encodings]
    assert [image.size for image in shown] == sizes
    assert all(isinstance(future.exception(), BadPicture) for future in refused)
    assert set(seen) <= {16 * 2000, 16 * 4000, 16 * 10_000}
    assert 16 * 4000 in seen
    assert 16 * 10_000 in seen
    assert budget.taken == 0


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1), (1, 1)])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16"])
def test_any_shape_is_resized_or_refused(mode: str, size: tuple[int, int]) -> None:
    found = pictures.resized(encoded(Image.new(mode, size), "PNG"), 32, lambda width, height: (32, 32))
    assert found.shape == (32, 32, 3)


def test_what_goes_wrong_in_resizing_is_the_picture_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Image.Image:
        raise SystemError("tile cannot extend outside image")

    monkeypatch.setattr(Image.Image, "resize", broken)
    with pytest.raises(BadPicture, match="SystemError: tile cannot extend"):
        pictures.resized(encoded(Image.new("RGB", (9, 9)), "PNG"), 4, lambda width, height: (4, 4))
