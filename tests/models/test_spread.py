"""At the start no part of an input is mute: each one's spread over items is within ten times of its siblings'.

Measured where parts meet: what each adds to a layer that reads several, with default widths and contents like real
ones (a dozen regions, tens of words, tens of topics).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import Prepared
from tests.models.variants import FOUND, VARIANTS, WIDER, models_that
from tests.models.world import World, rows

Groups = dict[str, dict[str, Tensor]]  # parts that meet at a place, [rows, width] each
SINGLE = models_that("SINGLE")


def spread(part: Tensor) -> float:
    """The standard deviation over rows, the root of the mean square over channels."""
    return float(part.reshape(-1, part.shape[-1]).var(0, correction=0).mean().sqrt())


@cache
def contents(regions: int, topics: int) -> World:
    """Sixty items with so many regions and 8 to 30 words each, one without either, met under so many topics."""
    generator = np.random.default_rng(5)
    world = World([generator.integers(1, 61, 14).tolist() for _ in range(40)], 60)

    def ragged(length: np.ndarray, width: int) -> Ragged:
        length[[0, 2]] = 0
        value_XC = generator.normal(size=(length.sum(), width)).astype(np.float16)
        return Ragged(torch.from_numpy(value_XC), torch.from_numpy(np.concatenate([[0], np.cumsum(length)])))

    parts = {"regions": ragged(np.full(61, regions), 64), "words": ragged(generator.integers(8, 31, 61), 32)}
    vectors = {view: torch.from_numpy(generator.normal(size=(61, 64)).astype(np.float32)) for view in ("image", "text")}
    for vector in vectors.values():
        vector[[0, 2]] = 0
    world.topics = topics
    world.topic = np.zeros((len(world.frame) + 1, topics), dtype=np.float16)
    world.topic[1:] = generator.dirichlet(np.full(topics, 0.3), len(world.frame))  # as spread as the demo's
    world.catalog = Catalog(60, vectors, parts, topics, world.catalog.categories)
    return world


class Heard:
    """What a module was given and gave, each time that it was called."""

    def __init__(self, module: nn.Module):
        self.given: list[tuple[Any, ...]] = []
        self.found: list[Any] = []
        module.register_forward_hook(self._hear)

    def _hear(self, module: nn.Module, given: tuple[Any, ...], found: Any) -> None:
        self.given.append(given)
        self.found.append(found)


def of_ante_rnn(model: Any, batch: Batch) -> Groups:
    fused, content = Heard(model.content.fusion), model.content
    topical = {n: Heard(getattr(content.text, n)) for n in ("word", "topic") if hasattr(content.text, n)}
    item = Heard(model.context.item) if hasattr(model.context, "item") else None
    model.score(batch, batch.item_BL[:, :1])
    image_VD, text_VD, present_V2 = fused.given[0]
    both = present_V2.all(1)
    found: Groups = {}
    if model.config.fusion != "single":
        found["views"] = {"picture": image_VD[both], "text": text_VD[both], "fused": fused.found[0][0][both]}
    if content.row is not None:
        row_VD = content.row(torch.unique(batch.item_BL[batch.valid_BL]))
        found["rows"] = {"content": fused.found[0][0][present_V2.any(1)], "row": row_VD}
    if topical:  # the compiled loop calls no module for words
        word_XD = content.text.word(content.words(torch.arange(1, 61)).value_XD)
        found["words"] = {"words": word_XD, "topics": topical["topic"].found[0]}
    if item is not None:
        told = {
            name: model.context.factors.first(t) for name, t in getattr(model.context.factors, "tables", {}).items()
        }
        found["context"] = {"item": item.found[0][batch.valid_BL]} | told
    return found


def of_mahn(model: Any, batch: Batch) -> Groups:
    items, first, second = (Heard(m) for m in (model.items, model.first, model.second or nn.Identity()))
    gates = [(Heard(gate.history), Heard(gate.view)) for gate in model.gates if hasattr(gate, "view")]
    model._read(batch)
    found = {"first": {str(n): part[there] for n, (part, there) in enumerate(zip(*items.found[0], strict=True))}}
    for n, (history, view) in enumerate(gates):
        found[f"gate {n}"] = {"history": history.found[0][batch.valid_BL], "view": view.found[0][batch.valid_BL]}
    if second.given and model.config.second == "concatenation":
        parts = second.given[0][0][batch.valid_BL].chunk(len(items.found[0][0]), -1)
        found["second"] = {str(n): part for n, part in enumerate(parts)}
    assert first.given
    return found


def of_min_net(model: Any, batch: Batch) -> Groups:
    sequence, cross = Heard(model.sequence), [Heard(m) for m in getattr(model.sequence, "cross", [])]
    model.score(batch, batch.item_BL[:, :1])
    part, there = sequence.given[0]
    found = {"parts": {str(n): p[t] for n, (p, t) in enumerate(zip(part, there, strict=True))}}
    if hasattr(model.sequence, "slot_LD"):
        found["parts"]["slots"] = model.sequence.slot_LD
    for heard in cross:
        found["crossed"] = {str(n): heard.given[0][n][batch.valid_BL] for n in range(2)}
    return found


def of_iris(model: Any, batch: Batch) -> Groups:
    past, target = [Heard(m) for m in model.past], [Heard(m) for m in model.target]
    item_U = torch.arange(1, 61)
    model.halves(item_U)
    found = {"past": {str(n): h.found[0] for n, h in enumerate(past)}}
    found["target"] = {str(n): h.found[0] for n, h in enumerate(target)}
    found["both"] = {"past": past[0].found[0], "target": target[0].found[0]}
    if model.config.fusion == "shared":
        layers = model.layers
        image_UH, text_UH = layers.first(layers.image(item_U)[0]).relu(), layers.text(item_U)[0]
        found["image"] = {"own": layers.of_image(image_UH), "text": layers.common(text_UH)}
        found["text"] = {"own": layers.of_text(text_UH), "image": layers.common(image_UH)}
    return found


def of_nais(model: Any, batch: Batch) -> Groups:
    past_UD, target_UD = model.past_ND[1:], model.target_ND[1:]
    if model.config.attention == "product":
        return {"product": {"past": past_UD, "target": target_UD}}
    of_past_AD, of_target_AD = model.mix_AX.chunk(2, 1)
    return {"layer": {"past": past_UD @ of_past_AD.T, "target": target_UD @ of_target_AD.T}}


def of_ncf(model: Any, batch: Batch) -> Groups:
    found: Groups = {}
    item_U = torch.arange(1, 61) % batch.user_B.shape[0]
    if "gmf" in model.towers:
        gmf = model.towers["gmf"]
        user_UD, item_UD = gmf.user_UD[batch.user_B[item_U]], gmf.item_ND[1:]
        found["product"] = {"user": user_UD, "item": item_UD}
    if "mlp" in model.towers:
        mlp = model.towers["mlp"]
        user_UF, item_UF = mlp.halves(batch.user_B[item_U], torch.arange(1, 61))
        found["layer"] = {"user": user_UF, "item": item_UF}
    if len(model.towers) == 2:
        mlp_out = Heard(mlp.out)
        mlp.after(user_UF + item_UF)
        found["output"] = {"gmf": user_UD * item_UD * gmf.out.weight, "mlp": mlp_out.given[0][0] * mlp.out.weight}
    return found


def of_caser(model: Any, batch: Batch) -> Groups:
    dense = Heard(model.dense)
    model.states(batch)
    read_XF, dim = dense.given[0][0][batch.valid_BL], model.config.dim
    sizes = [model.config.vertical * dim] * bool(model.config.vertical) + [model.config.horizontal] * len(model.rows)
    found = {"filters": {str(n): part for n, part in enumerate(read_XF.split(sizes, 1))}}
    if model.person_UD is not None:
        found["output"] = {"filters": dense.found[0][batch.valid_BL].relu(), "person": model.person_UD[1:]}
    return found


def of_iarn(model: Any, batch: Batch) -> Groups:
    sides = {name: Heard(getattr(model, name)) for name in ("user", "item")}
    cross = {n: Heard(getattr(model, n).cross) for n in sides if hasattr(getattr(model, n), "cross")}
    model.score(batch, batch.item_BL[:, :1])
    found: Groups = {}
    for name, heard in sides.items():
        side, value_XE = getattr(model, name), heard.given[0][0]
        weight = side.lstm.weight_ih_l0 if hasattr(side, "lstm") else side.input.weight
        dim = model.config.dim
        if model.config.ratings:
            parts = {"vector": value_XE[:, :dim] @ weight[:, :dim].T, "rating": value_XE[:, dim:] @ weight[:, dim:].T}
            found[name] = parts
        if name in cross:
            found[f"gate of {name}"] = {"own": heard.found[0].own_XF, "partner": cross[name].found[0]}
    return found


def of_dhcn(model: Any, batch: Batch) -> Groups:
    heard = {n: Heard(getattr(model, n)) for n in ("own", "place", "met", "mean") if getattr(model, n)}
    model.score(batch, batch.item_BL[:, :1])
    found = {name: h.found[0] for name, h in heard.items()}
    own = {"item": found["own"][batch.valid_BL]} | ({"place": found["place"]} if "place" in found else {})
    return {"event": own, "weight": {"event": found["met"][:, 0][batch.valid_BL], "mean": found["mean"][:, 0]}}


def of_hyperrec(model: Any, batch: Batch) -> Groups:
    mixing, mixed = Heard(model.mixing), [Heard(m) for m in model.periods.mixing]
    model.score(batch, batch.item_BL[:, :1])
    part, there = mixing.given[0]
    parts = {name: part[:, :, k][there[:, :, k] & batch.valid_BL] for k, name in enumerate(("item", "own", "person"))}
    event_XD = mixing.found[0][batch.valid_BL] * model.config.dim**0.5
    item_U = torch.arange(1, 61)
    last_U = model._items(item_U, torch.full_like(item_U, model.config.periods), model._vectors()[0])
    found = {"event": parts, "input": {"event": event_XD, "slot": model.streams.slot_LD}}
    found["key"] = {"own": model.embedding(item_U), "last": last_U}
    for n, heard in enumerate(mixed):
        found[f"period {n + 2}"] = {"own": heard.given[0][0][:, 0], "before": heard.given[0][0][:, 1]}
    return found


def of_mv_rnn(model: Any, batch: Batch) -> Groups:
    part, there = model.items(torch.arange(1, 61))
    found = {"item": {str(n): p[t] for n, (p, t) in enumerate(zip(part, there, strict=True))}}
    if model.config.fusion != "concatenation" and model.config.views:
        both = torch.stack(there).all(0)
        found["fused"] = {"views": torch.stack(part[:-1]).sum(0)[both], "row": part[-1][both]}
    return found


def of_sasrec(model: Any, batch: Batch) -> Groups:
    return {"input": entered(model.encoder, model.embedding.weight[1:])}


def entered(encoder: Any, vector_UD: Tensor) -> dict[str, Tensor]:
    """What meets at the door of a transformer."""
    return {"vector": vector_UD * encoder.scale, "slot": encoder.slot_LD}


def of_bert4rec(model: Any, batch: Batch) -> Groups:
    return {"input": entered(model.encoder, torch.cat([model.embedding.weight[1:], model.mask_D[None]]))}


def of_fdsa(model: Any, batch: Batch) -> Groups:
    encoders = {"items": model.items, "features": model.second}
    heard = {name: Heard(encoder) for name, encoder in encoders.items()}
    model.score(batch, batch.item_BL[:, :1])
    found: Groups = {"features": {}}
    for name, encoder in encoders.items():
        found[f"into {name}"] = entered(encoder, heard[name].given[0][0][batch.valid_BL])
    if model.features.named is not None:
        found["features"]["categories"] = model.features.named.row.weight[1:]
    for kind, view in zip(model.features.kinds, model.features.views, strict=True):
        found["features"][kind] = view(torch.arange(1, 61))[0][view.present_N[1:]]
    found["joined"] = {name: h.found[0][batch.valid_BL] for name, h in heard.items()}
    return found


def of_s3rec(model: Any, batch: Batch) -> Groups:
    vector_UD = model.embedding.weight[1:]
    if model.goals is None:
        return {"input": entered(model.encoder, vector_UD)}
    goals = {"item": vector_UD, "mask": model.goals.mask_D[None]}
    if hasattr(model.goals, "attribute_CD"):
        goals["attribute"] = model.goals.attribute_CD
    return {
        "input": entered(model.encoder, torch.cat([vector_UD, model.goals.mask_D[None]])),
        "goals": {name: value_XD.flatten()[:, None] for name, value_XD in goals.items()},
    }


def of_vbpr(model: Any, batch: Batch) -> Groups:
    item_U = torch.arange(1, 61)
    width = model.config.width
    seen = {part.table_NC.shape[1]: model._seen(part, item_U)[:, :width] for part in model.views}
    found = {"items": {"row": model.item_NE[item_U, : model.config.dim]} | {str(n): part for n, part in seen.items()}}
    if model.taste_UK is not None:
        found["users"] = {"row": model.user_UD, "views": model.taste_UK}
    return found


def of_jrl(model: Any, batch: Batch) -> Groups:
    tables = {"users": model.user_UD, "items": model.item_NE[:, :-1]}
    return {name: {str(n): part for n, part in enumerate(model._views(table))} for name, table in tables.items()}


def of_mlam(model: Any, batch: Batch) -> Groups:
    item_I = torch.cat([torch.tensor([1]), torch.arange(3, 61)])
    user_QI = batch.user_B[torch.arange(len(item_I)) % len(batch.user_B)][None]
    pools = {
        f"{name} {kind}": Heard(getattr(module, kind))
        for name, module in model.named_modules()
        if hasattr(module, "of_own")
        for kind in ("of_own", "of_alike")
    }
    parts = {
        name: reader(user_QI, item_I)[0][0] for name, reader in zip(model.config.views, model.readers, strict=True)
    }
    found = {"parts": parts | ({"row": model.row_ND[item_I]} if model.row_ND is not None else {})}
    for name in {name.split()[0] for name in pools}:
        found[name] = {k: pools[f"{name} {k}"].found[0].flatten(0, -2) for k in ("of_own", "of_alike")}
    return {place: group for place, group in found.items() if group}


PARTS: dict[str, Callable[[Any, Batch], Groups]] = {
    name.removeprefix("of_"): parts for name, parts in list(globals().items()) if name.startswith("of_")
}
STARTS = [(n, v, {}) for n in PARTS for v in VARIANTS[n]] + [(n, "wider", more) for n, more in WIDER.items()]


def test_every_model_of_several_parts_is_measured() -> None:
    assert set(FOUND) == SINGLE | set(PARTS)


@pytest.mark.parametrize(("name", "variant", "more"), STARTS, ids=[f"{n}-{v}" for n, v, _ in STARTS])
@pytest.mark.parametrize(("regions", "topics"), [(12, 26), (36, 70)])
@torch.no_grad()
def test_no_part_starts_mute(name: str, variant: str, more: dict[str, Any], regions: int, topics: int) -> None:
    here = contents(regions, topics)
    torch.manual_seed(1)
    model = models.build(Choice(name=name, settings=VARIANTS[name].get(variant, {}) | more), here.catalog, here.users)
    if isinstance(model, Prepared):
        model.prepare(here.interactions(1))
    groups = PARTS[name](model.eval(), rows(here, model.needs))
    for place, parts in groups.items():
        found = {part: round(spread(value), 4) for part, value in parts.items()}
        assert max(found.values()) <= 10 * min(found.values()), f"{place}: {found}"
