import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from engine.features import extraction
from engine.features.extraction import OutputTable, extract, table_slices
from engine.features.extractor import Extracted, Extractor, ExtractorFactory, loaded
from engine.features.projection import refuse_not_finite
from engine.features.settings import Execution
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import IMAGES, VECTORS

HERE = Execution(engine="local", address="", workers=2)


class Counter(Extractor):
    """Says an item's code and how many bytes its picture has."""

    def __init__(self, stop: int):
        self.meta: dict[str, Any] = {"network": "counter"}
        self.stop = stop
        self.seen: list[int] = []

    def prepare(self, frame: pl.DataFrame) -> pl.DataFrame:
        return frame

    def extract(self, prepared: pl.DataFrame) -> Extracted:
        if self.stop in prepared["item"]:
            raise RuntimeError("stopped")
        self.seen += prepared["item"].to_list()
        value = np.stack([prepared["item"].to_numpy(), prepared["image"].bin.size().to_numpy()], 1).astype(np.float16)
        frame = pl.DataFrame({"item": prepared["item"], "vector": value})
        return Extracted({"vectors": frame}, {"pictures": frame.height}, self.meta)


class Counting(ExtractorFactory):
    rows, execution, weights, accelerated = 4, HERE, Path("none"), False  # type: ignore[assignment]

    def __init__(self, stop: int = 0):
        self.counter, self.frozen = Counter(stop), 0

    def load(self) -> Counter:
        return self.counter

    def __repr__(self) -> str:
        return "counting"


def pictures(folder: Path, many: int = 18) -> Path:
    rows = [(item, bytes(item % 7 + 1), "PNG", 1, 1, "-") for item in range(1, many + 1)]
    frames = [pl.DataFrame(rows[i : i + 7], schema=dict(IMAGES.columns), orient="row") for i in range(0, many, 7)]
    store.write_shards(frames, folder / "images", IMAGES)
    return folder / "images"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path / ".cache" / "extraction"


def run(factory: ExtractorFactory, images: Path, out: Path) -> None:
    extract(
        factory, images, IMAGES, ["item", "image"], {"vectors": OutputTable(out, VECTORS, "vector", 0, {"more": 1})}
    )


def test_every_row_is_in_one_part(tmp_path: Path) -> None:
    found = table_slices(pictures(tmp_path), 4, IMAGES)
    assert [(piece.path.name[5:10], piece.start, piece.rows) for piece in found] == [
        ("00000", 0, 4), ("00000", 4, 3), ("00001", 0, 4), ("00001", 4, 3), ("00002", 0, 4),
    ]  # fmt: skip
    assert [item for piece in found for item in piece.read(IMAGES, ["item"])["item"]] == list(range(1, 19))
    with pytest.raises(FileNotFoundError, match="no images table"):
        table_slices(tmp_path / "nowhere", 4, IMAGES)


def test_a_stopped_run_goes_on_and_leaves_the_same_bytes(tmp_path: Path, cache: Path) -> None:
    images = pictures(tmp_path)
    run(Counting(), images, tmp_path / "whole.parquet")
    with pytest.raises(RuntimeError, match="stopped"):
        run(Counting(stop=13), images, tmp_path / "v.parquet")
    assert not (tmp_path / "v.parquet").exists()
    again = Counting()
    run(again, images, tmp_path / "v.parquet")
    assert again.counter.seen == list(range(12, 19))
    assert (tmp_path / "v.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert store.meta(tmp_path / "v.parquet") == {"network": "counter", "pictures": 18, "more": 1}
    assert list(cache.iterdir()) == []


def test_parts_of_other_files_or_settings_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(tmp_path)
    with pytest.raises(RuntimeError):
        run(Counting(stop=13), images, tmp_path / "v.parquet")
    monkeypatch.setattr(Counting, "__repr__", lambda _: "counting otherwise")
    other = Counting()
    run(other, images, tmp_path / "v.parquet")
    assert len(other.counter.seen) == 18
    monkeypatch.undo()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    first = images / "part-00000.parquet"
    os.utime(first, (1, 1))
    third = Counting()
    run(third, images, tmp_path / "v.parquet")
    assert len(third.counter.seen) == 18


@pytest.mark.parametrize("what", ["weights", "code", "goal"])
def test_parts_of_other_weights_code_or_goals_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    images, network = pictures(tmp_path), tmp_path / "network" / "w.pt"
    network.parent.mkdir()
    network.write_bytes(b"1")
    monkeypatch.setattr(Counting, "weights", network.parent)
    with pytest.raises(RuntimeError):
        run(Counting(stop=13), images, tmp_path / "v.parquet")
    if what == "weights":
        os.utime(network, (1, 1))
    elif what == "code":
        monkeypatch.setattr(extraction.code, "digest", lambda *_: "of code that was changed")
    other = Counting()
    run(other, images, tmp_path / ("other.parquet" if what == "goal" else "v.parquet"))
    assert len(other.counter.seen) == 18


def test_parts_of_a_machine_with_another_device_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(tmp_path)
    with pytest.raises(RuntimeError):
        run(Counting(stop=13), images, tmp_path / "v.parquet")
    monkeypatch.setattr(Counting, "accelerated", True)  # where `auto` is another precision
    other = Counting()
    run(other, images, tmp_path / "v.parquet")
    assert len(other.counter.seen) == 18


class Meanwhile(Counter):
    """Begins the same extraction while it is at it."""

    def __init__(self, images: Path, out: Path):
        super().__init__(0)
        self.images, self.out, self.refused = images, out, ""

    def extract(self, prepared: pl.DataFrame) -> Extracted:
        if not self.refused:
            with pytest.raises(ValueError, match="another run does the same right now; let it end") as caught:
                run(Counting(), self.images, self.out)
            self.refused = str(caught.value)
        return super().extract(prepared)


def test_two_runs_of_the_same_do_not_take_each_other_s_parts_away(tmp_path: Path, cache: Path) -> None:
    images = pictures(tmp_path)
    run(Counting(), images, tmp_path / "whole.parquet")
    factory = Counting()
    factory.counter = Meanwhile(images, tmp_path / "v.parquet")
    run(factory, images, tmp_path / "v.parquet")
    assert factory.counter.refused.startswith(str(cache))
    assert (tmp_path / "v.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert list(cache.iterdir()) == []


class Twice(Counter):
    """Says the same for two tables."""

    def extract(self, prepared: pl.DataFrame) -> Extracted:
        part = super().extract(prepared)
        return Extracted({"vectors": part.frames["vectors"], "again": part.frames["vectors"]}, part.counts, part.meta)


def test_a_part_is_done_when_all_its_tables_are(tmp_path: Path, cache: Path) -> None:
    images = pictures(tmp_path)
    targets = {
        name: OutputTable(tmp_path / f"{name}.parquet", VECTORS, "vector", 0, {}) for name in ("vectors", "again")
    }
    factory = Counting()
    factory.counter = Twice(stop=13)
    with pytest.raises(RuntimeError, match="stopped"):
        extract(factory, images, IMAGES, ["item", "image"], targets)
    (lost,) = cache.glob("*/000001.again.parquet")
    lost.unlink()  # as where a kill came between the two
    factory.counter = Twice(stop=0)
    extract(factory, images, IMAGES, ["item", "image"], targets)
    assert factory.counter.seen == [5, 6, 7, *range(12, 19)]
    assert (tmp_path / "vectors.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()


class Diverged(Counter):
    """Says what is not finite of one item."""

    def __init__(self, item: int, value: float):
        super().__init__(0)
        self.item, self.value = item, value

    def extract(self, prepared: pl.DataFrame) -> Extracted:
        found = super().extract(prepared)
        value = np.where(prepared["item"].to_numpy()[:, None] == self.item, self.value, [[1.0, 2.0]])
        frame = found.frames["vectors"].with_columns(vector=pl.Series(value.astype(np.float16)))
        return Extracted({"vectors": frame}, found.counts, found.meta)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused_by_table_and_item(tmp_path: Path, cache: Path, value: float) -> None:
    factory = Counting()
    factory.counter = Diverged(10, value)
    with pytest.raises(ValueError, match=rf"v\.parquet: item 10: its vector holds {value}, .* 1 of 4 items"):
        run(factory, pictures(tmp_path), tmp_path / "v.parquet")
    assert not (tmp_path / "v.parquet").exists()
    assert len(list(cache.glob("*/*.parquet"))) == 2, "the slice itself is not kept"
    refuse_not_finite(pl.DataFrame({"item": [], "word": []}), "word", tmp_path)
    words = pl.DataFrame({"item": [4, 7], "word": [[[1.0, 2.0]], [[1.0, 2.0], [3.0, value]]]})
    words = words.cast({"word": pl.List(pl.Array(pl.Float32, 2))})
    with pytest.raises(ValueError, match="item 7: its word holds"):
        refuse_not_finite(words, "word", tmp_path)


class Ray(SimpleNamespace):
    """In place of Ray: notes what it is asked for and runs the actors here, parts from last to first."""

    def __init__(self) -> None:
        super().__init__(begun={}, asked={}, open=False, data=self, ActorPoolStrategy=dict)
        self.DataContext = SimpleNamespace(get_current=SimpleNamespace)

    def init(self, **asked: Any) -> None:
        self.begun, self.open = asked, True

    def shutdown(self) -> None:
        self.open = False

    def from_items(self, rows: list[dict[str, int]], **asked: Any) -> "Ray":
        self.rows, self.asked = rows, self.asked | asked
        return self

    def map_batches(self, actor: type, *, fn_constructor_args: tuple[Any, ...], **asked: Any) -> "Ray":
        self.actor, self.asked = actor(*fn_constructor_args), self.asked | asked
        return self

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        for row in reversed(self.rows):
            said = self.actor({name: np.array([value]) for name, value in row.items()})
            yield {name: value[0] for name, value in said.items()}


@pytest.mark.parametrize("accelerated", [False, True])
@pytest.mark.parametrize("address", ["", "ray://head:10001"])
def test_what_ray_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, accelerated: bool
) -> None:
    images, ray = pictures(tmp_path), Ray()
    run(Counting(), images, tmp_path / "here.parquet")
    monkeypatch.setitem(sys.modules, "ray", ray)  # type: ignore[misc]
    monkeypatch.setattr(Counting, "execution", Execution(engine="ray", address=address, workers=3))
    monkeypatch.setattr(Counting, "accelerated", accelerated)
    run(Counting(), images, tmp_path / "there.parquet")
    assert (tmp_path / "there.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
    assert (ray.begun.get("address"), ray.begun.get("num_cpus")) == ((address, None) if address else (None, 4))
    assert (ray.asked["compute"], ray.asked["num_gpus"]) == ({"size": 3}, int(accelerated))
    assert ray.asked["override_num_blocks"] == 5
    assert not ray.open
    with pytest.raises(RuntimeError, match="stopped"):
        run(Counting(stop=13), images, tmp_path / "there.parquet")
    assert not ray.open


def test_ray_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # type: ignore[arg-type]
    monkeypatch.setattr(Counting, "execution", Execution(engine="ray", address="", workers=2))
    with pytest.raises(ValueError, match="engine ray: Ray is not installed; pip install"):
        run(Counting(), pictures(tmp_path), tmp_path / "v.parquet")


def test_what_is_loaded_is_left_out_of_the_search_for_garbage_until_the_end() -> None:
    before, factory = gc.get_freeze_count(), Counting(stop=3)

    def run() -> None:
        with loaded(factory) as extractor:
            factory.frozen = gc.get_freeze_count()
            extractor.extract(pl.DataFrame({"item": [3]}))

    with pytest.raises(RuntimeError, match="stopped"):
        run()
    assert factory.frozen > before + 1000
    assert gc.get_freeze_count() == 0


def test_a_table_without_the_column_is_refused(tmp_path: Path) -> None:
    images = pictures(tmp_path)
    with pytest.raises(ValueError, match=r"\['nothing'\] are not there"):
        extract(
            Counting(), images, IMAGES, ["item", "nothing"], {"vectors": OutputTable(images, VECTORS, "vector", 0, {})}
        )


POSTERS = """
import io, sys
from pathlib import Path
import numpy as np, polars as pl
from PIL import Image
from engine.tables import store
from engine.tables.schemas import IMAGES
rows = []
for item in range(1, 65):
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(item).integers(0, 255, (9, 6, 3), np.uint8)).resize((60, 90)).save(out, "PNG")
    rows.append((item, out.getvalue(), "PNG", 60, 90, "-"))
store.write_shards([pl.DataFrame(rows, schema=dict(IMAGES.columns), orient="row")], Path(sys.argv[1]), IMAGES)
"""
STAGE = """
import sys, time
from pathlib import Path
from engine.features.pictures import extractors
from engine.tables.layout import Layout
from stages import images
extractors._BYTES, extract = 0, extractors.PictureExtractor.extract
def slowly(self, prepared):
    time.sleep(float(sys.argv[3]))
    with open(sys.argv[1] + ".log", "a") as log:
        log.write("r")
    return extract(self, prepared)
extractors.PictureExtractor.extract = slowly
settings = dict(backbone="resnet18", weights="none", layer="layer1", size=32, width=0, batch_size=0, precision="fp32",
                engine=sys.argv[2], address="", workers=2)
images.main(images.Params(dataset="demo", images=settings, device="cpu", seed=1), Layout(Path(sys.argv[1]), "temporal"))
"""


def python(code: str, *arguments: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(Path(extraction.__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment)


def test_kill_9_loses_at_most_a_part_and_ray_says_the_same(tmp_path: Path, cache: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    here, there = (Layout(tmp_path / name, "temporal") for name in ("here", "ray"))
    assert python(POSTERS, str(here.images)).wait() == 0
    there.root.mkdir()
    there.images.symlink_to(here.images)
    killed = python(STAGE, str(here.root), "local", "2")
    while not list(cache.glob("*/*.parquet")):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not here.image.exists()
    kept = list(cache.glob("*/*.parquet"))
    assert len(kept) == 1
    log = tmp_path / "here.log"
    before = len(log.read_text())
    resumed = python(STAGE, str(here.root), "local", "0")
    assert resumed.wait() == 0
    assert len(log.read_text()) == before + 1  # of two parts
    cluster = python(STAGE, str(there.root), "ray", "0")
    assert cluster.wait(300) == 0
    assert store.read(here.image, VECTORS)["item"].to_list() == list(range(1, 65))
    assert store.read(there.image, VECTORS).equals(store.read(here.image, VECTORS))
    assert store.meta(there.image) == store.meta(here.image)
