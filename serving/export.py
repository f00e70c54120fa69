"""A factored model for other programs: vectors as Parquet and NumPy files, and its encoder as ONNX, all checked."""

from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from engine.tables.files import whole_folder, write_json
from serving.answers import Exported
from serving.encoder import farthest, inputs, write_encoder
from serving.history import Refused
from serving.model import Model
from serving.one_at_a_time import one_at_a_time
from serving.vectors import Vectors, all_vectors, factored, queries

CHECKED = 64  # people whose scores are compared
FILES = {"about.json", "encoder.onnx", "items.npy", "items.parquet", "people.npy", "people.parquet"}


@one_at_a_time
def export(model: Model, folder: Path) -> Exported:
    """Write a folder, whole or not at all. Row n of `items.npy` is the vector of item number n, row 0 is padding; so
    the scores of a person are `people.npy[row] @ items.npy.T`.

    Raises:
        Refused: the model's scores are no inner products, or these vectors do not make them; or something else than an
            export is in the folder's place.
    """
    place = free(Path(folder))
    vectors = all_vectors(model)
    _check_scores(model, vectors)
    with whole_folder(place) as new:
        item_ND = np.pad(vectors.item_ND, ((1, 0), (0, 0)))
        np.save(new / "items.npy", item_ND)
        np.save(new / "people.npy", vectors.person_UD)
        width = pl.Array(pl.Float32, item_ND.shape[1])
        titles = [model.names.item(code).title for code in range(1, len(item_ND))]
        columns = {"number": range(1, len(item_ND)), "item": vectors.items, "title": titles, "vector": item_ND[1:]}
        pl.DataFrame(columns, schema_overrides={"vector": width}).write_parquet(new / "items.parquet")
        columns = {"user": vectors.people, "vector": vectors.person_UD}
        pl.DataFrame(columns, schema_overrides={"vector": width}).write_parquet(new / "people.parquet")
        shapes, told = _encoder(model, new / "encoder.onnx")
        about = {"model": model.name, "width": item_ND.shape[1], "encoder": told, "inputs": shapes}
        write_json(about, new / "about.json")
        found = tuple(sorted(path.name for path in new.iterdir()))
    return Exported(str(folder), found, len(vectors.people), len(vectors.items), item_ND.shape[1], told)


def free(folder: Path) -> Path:
    """Where a folder lies, if nothing is lost when it is written anew: it is not there, empty, or an earlier export.

    Raises:
        Refused: it holds something else, or is no folder, or lies in what is none.
    """
    place = folder.resolve()
    above = next(parent for parent in place.parents if parent.exists())
    for path in (above, place):
        if path.exists() and not path.is_dir():
            raise Refused(f"{path} is no folder, so that nothing can be exported there: name a new one")
    others = sorted({path.name for path in place.iterdir()} - FILES) if place.exists() else []
    if others:
        raise Refused(f"{folder} holds what is no export ({others[0]}), and would be replaced: name a new folder")
    return place


def _encoder(model: Model, path: Path) -> tuple[dict[str, str], str]:
    """Its inputs, and what there is to say of it; without an encoder, why."""
    if not model.needs.length:
        return {}, f"none: {model.name} reads no history"
    if model.needs.item_length:
        return {}, f"none: {model.name} reads who acted on each item"
    batch, query_BD = next(queries(model))
    given = inputs(batch, model.needs, model.own_rows)
    try:
        write_encoder(factored(model), given, path)
        far = farthest(path, given, query_BD)
    except Refused as refused:
        path.unlink(missing_ok=True)
        return {}, f"none of {model.name}: {refused}"
    shapes = {name: f"{value.dtype} {['B', *value.shape[1:]]}".removeprefix("torch.") for name, value in given.items()}
    return shapes, f"as the model on {len(query_BD)} people, within {far:.1e} of the largest number"


@torch.no_grad()
def _check_scores(model: Model, vectors: Vectors) -> None:
    """The vectors must make the scores that the model itself gives.

    Raises:
        Refused: they do not.
    """
    batch, _ = next(queries(model))
    rows = min(CHECKED, len(batch.user_B))
    item_BN = torch.arange(1, model.events.items + 1, device=batch.user_B.device).expand(len(batch.user_B), -1)
    score_BN: Tensor = factored(model).score(batch, item_BN)[:rows].float().cpu()
    found_BN = vectors.person_UD[:rows] @ vectors.item_ND.T
    far = float(np.abs(score_BN.numpy() - found_BN).max() / max(float(score_BN.abs().max()), 1e-12))
    if not far <= 1e-4:
        raise Refused(f"the vectors of {model.name} make other scores than the model, by {far:.1e} of the largest")
