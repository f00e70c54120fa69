"""Models, training, evaluation and the networks of features run where only torch and its kin are installed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MISSING = ("polars", "pyarrow", "dvc", "gensim", "bson", "pymongo", "ruamel", "ray", "requests", "pandas", "orjson")
HEAVY = {  # what reads tables: all the rest of these packages is light
    "engine.features.extraction", "engine.features.extractor", "engine.features.projection",
    "engine.features.ray_cluster", "engine.features.pictures.extractors", "engine.features.text.doc2vec",
    "engine.features.text.extractor", "engine.training.source", "engine.training.trained_on",
}  # fmt: skip
PACKAGES = ("models", "engine.training", "engine.evaluation", "engine.measures", "engine.features", "benchmarks.cuda")
PROBE = """
import importlib, importlib.util, pkgutil, sys

missing, heavy, packages = (argument.split(",") for argument in sys.argv[1:])

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ImportError(f"{name} is not on this machine")

sys.meta_path.insert(0, Absent())
find = importlib.util.find_spec  # transformers asks it what is installed, and an absent library has no spec
importlib.util.find_spec = lambda name, *more: None if name.partition(".")[0] in missing else find(name, *more)
for package in packages:
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, package + "."):
        if found.name not in heavy:
            importlib.import_module(found.name)
            print(found.name)
for name in ("engine.tables.settings", "engine.tables.files", "engine.tables.layout"):
    importlib.import_module(name)
"""


def probe(*heavy: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PROBE, ",".join(MISSING), ",".join(heavy), ",".join(PACKAGES)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_light_modules_import_where_no_library_of_tables_is() -> None:
    done = probe(*HEAVY)
    assert done.returncode == 0, done.stderr
    imported = done.stdout.split()
    assert len(imported) > 60
    assert {"models.sasrec", "engine.training.loop", "engine.features.text.bert"} <= set(imported)


def test_what_reads_tables_does_not() -> None:
    done = probe(*(HEAVY - {"engine.training.source"}))
    assert done.returncode != 0
    assert "is not on this machine" in done.stderr
