"""Words, regions and views that are silenced, as what a batch carries."""

import difflib

import torch

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.needs import Needs, View
from engine.training.presence import Presence
from serving.history import History, Muted, Refused
from serving.labels import Labels
from serving.names import Names

VIEWS: dict[str, tuple[View, View]] = {"picture": ("image", "regions"), "text": ("text", "words")}


def muted_batch(batch: Batch, muted: Muted, needs: Needs, catalog: Catalog, names: Names, labels: Labels) -> Batch:
    """The batch in which these say nothing, where there are such.

    Raises:
        Refused: the model does not read such parts.
    """
    parts: dict[View, torch.Tensor] = {}
    if muted.words:
        parts["words"] = _there(batch, "words", needs, catalog)
        quiet = {word.casefold() for word in muted.words}
        for item in _items(batch):
            for number in (n for n, word in enumerate(labels.words(item)) if word.casefold() in quiet):
                parts["words"][..., number][batch.item_BL == item] = 0.0
    if muted.regions:
        parts["regions"] = _there(batch, "regions", needs, catalog)
        for name, number in muted.regions:
            at_BL = batch.item_BL == names.code(name)
            if at_BL.any() and 1 <= number <= parts["regions"].shape[2]:
                parts["regions"][..., number - 1][at_BL] = 0.0
    for view in muted.views:
        if view not in VIEWS:
            raise Refused(f"{view!r} is no view; views are {' and '.join(VIEWS)}", tuple(VIEWS))
        if not needs.length or not needs.views & set(VIEWS[view]):
            raise Refused(f"the model reads no {view} of an act, so that it cannot be muted")
        parts[VIEWS[view][0]] = torch.zeros(batch.item_BL.shape, device=batch.item_BL.device)
    return batch.but(**vars(batch.dimmed(Presence(part_presence=parts)))) if parts else batch


def refuse_unknown(history: History, muted: Muted, catalog: Catalog, names: Names, labels: Labels) -> None:
    """Refuse what no act has, of those that were taken away neither.

    Raises:
        Refused: names the word with the nearest ones, or the item and how many regions it has.
    """
    items = {names.code(act.item) for act in (*history.acts, *history.gone)} if muted.words or muted.regions else set()
    known = {word.casefold() for item in items for word in labels.words(item)} if muted.words else set()
    for word in muted.words:
        if word.casefold() not in known:
            near = tuple(difflib.get_close_matches(word.casefold(), known, 5, 0.5))
            nearest = f"; nearest are {', '.join(near)}" if near else ""
            raise Refused(f"no text of the acts has the word {word!r}{nearest}", near)
    for name, number in muted.regions:
        code = names.code(name)
        title, count = names.item(code).title, int(catalog.ragged("regions").offset_N.diff()[code])
        if code not in items:
            raise Refused(f"{title} is in no act, so that it has no region to mute")
        if not 1 <= number <= count:
            there = f"they count from 1 to {count}" if count else "it has none"
            raise Refused(f"there is no region {number} of {title}: {there}")


def _items(batch: Batch) -> list[int]:
    return sorted(set(batch.item_BL.flatten().tolist()) - {0})


def _there(batch: Batch, view: View, needs: Needs, catalog: Catalog) -> torch.Tensor:
    """Ones for the parts of each act's item [B, L, P], as wide as the longest."""
    if view not in needs.views or not needs.length:
        raise Refused(f"the model reads no {view} of acts, so that none can be muted")
    length_BL = catalog.ragged(view).offset_N.diff()[batch.item_BL]
    return torch.ones(*batch.item_BL.shape, int(length_BL.max()), device=batch.item_BL.device)
