"""Why an item is not among the first, or is: its rank, and the acts whose absence would change that."""

from collections.abc import Sequence
from datetime import datetime

from serving.answers import WhyNot
from serving.deciding import deciding_acts
from serving.history import History, Muted, Refused
from serving.model import Model
from serving.one_at_a_time import one_at_a_time
from serving.standing import Standing, standing

ROWS = 64  # histories scored at once


def stands(
    model: Model, histories: Sequence[History], code: int, top: int, at: datetime | None, muted: Muted
) -> Standing:
    """Where an item stands after some histories, of which some may not have what is muted."""
    known = model.rows.left_out([history.before(at) for history in histories], model.seen)
    return standing(model.net, model.batch(histories, at, muted), known, code, model.events.items, top)


@one_at_a_time
def why_not(
    model: Model, history: History, code: int, limit: int, top: int, at: datetime | None, muted: Muted
) -> WhyNot:
    """The smallest set of acts that was found, at most `limit` of them.

    Raises:
        Refused: the item was had already, where that is left out.
    """
    item, now = model.names.item(code), history.before(at)
    if model.seen == "excluded" and any(act.item == item.item for act in now.acts):
        raise Refused(f"{item.title} was had already, and what was had is left out of the list")
    model.asked(history, at, muted)
    here = stands(model, [history], code, top, at, muted)
    rank, within = int(here.rank_B[0]), int(here.rank_B[0]) <= top
    places = [place for place, act in enumerate(history.acts) if act in now.acts]

    def outcome(sets: Sequence[frozenset[int]]) -> list[tuple[int, float]]:
        found = []
        for first in range(0, len(sets), ROWS):
            part = [history.without(gone) for gone in sets[first : first + ROWS]]
            there = stands(model, part, code, top, at, muted)
            found += list(zip(there.rank_B.tolist(), there.margin_B.tolist(), strict=True))
        return found

    reads = model.needs.length
    deciding = deciding_acts(places, within, top, limit, reads, outcome) if reads else None
    told = f"rank {rank}, {'among' if within else 'not among'} the first {top}; "
    if deciding is None:
        wanted = f"{'out of' if within else 'into'} them"
        none = f"no {limit} acts or fewer were found whose absence brings it {wanted}"
        told += none if reads else f"{model.name} reads no history"
        return WhyNot(item.item, item.title, rank, float(here.score_B[0]), top, False, (), (), None, told)
    acts = tuple(history.acts[place] for place in deciding.places)
    told += f"without {', '.join(act.title for act in acts)} it would have rank {deciding.rank}"
    score = float(here.score_B[0])
    return WhyNot(item.item, item.title, rank, score, top, True, deciding.places, acts, deciding.rank, told)
