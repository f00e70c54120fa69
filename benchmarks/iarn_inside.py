"""What happens inside IARN while it learns: its gates, its units, and how much the other side's summary says in them.

    python -m benchmarks.iarn_inside movielens --protocol global_time

learns rows of `benchmarks.iarn_learning` by its rule of stopping, as they are and with the inputs, the rows of people
and of items, frozen as they were drawn (the categories' matrices learn on), and looks inside before the first step, at
the first validation after a whole pass, at the best and at the end. What is looked at: all steps of the histories that
come before the validation's events, without dropout, first the people's side, then the items':

- gate: the mean of a_t; open or shut: the share of gates beyond .05 and .95; in a history: the standard deviation of
  the gates of one history, the mean over histories of two steps or more;
- units through which next to nothing is learnt, as the slope of their activation there is under .05 of its steepest
  (relu: at 0; softplus and tanh: far out), a share of all: of the attention's two recurrences (g of eq. 7), of what a
  step would bring to the state (relu), and of the tanh between the attention and the gate;
- inside that tanh: the size (the median over steps of the root mean square) of what the step and its surroundings say,
  with the bias, and of what the other side's summary adds; and the share of steps at which the latter is larger.

Under the table each row's validation RMSE at each validation. Rows are kept in --keep as those of iarn_learning are.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.cells import earlier, markdown, refused
from benchmarks.iarn_learning import WAYS, Run, Way, asked, lies
from engine.evaluation.rate import Errors
from engine.tables import files
from engine.tables.layout import Layout
from engine.training.batch import Batch
from engine.training.cases import by_length
from engine.training.source import Data, load
from models.blocks.gated import SHARP, Activation, recur
from models.blocks.side import Read, Side

FROZEN = ", inputs frozen"
FLAT, ROWS = 0.05, 512  # of the steepest slope; pairs at once
MOMENTS = ("start", "a pass", "best", "end")
SEEN = ("gate", "open or shut", "attention's units", "the state's", "the tanh's")
SIZES = ("the step", "the other side")
HEAD = ["row", "at", "passes", "validation RMSE", *SEEN[:2], "in a history", *SEEN[2:], *SIZES, "larger"]


class Watched(Run):
    """A row that is looked into while it learns."""

    def __init__(self, way: Way, data: Data, given: argparse.Namespace, frozen: bool):
        super().__init__(way, data, given)
        for rows in (self.model.histories.item_ND, self.model.histories.user_UD):
            rows.requires_grad_(not frozen)
        self.moments = {"start": self._look(0)}

    def whole(self) -> dict[str, Any]:
        """Learnt to its end: the four moments, each validation, and whether it ended at its cap."""
        capped = self.learn()
        self.moments["end"] = self._look(self.seen)
        self.model.load_state_dict(self.kept)
        self.moments["best"] = self._look(self.best_at)
        return {"moments": self.moments, "curve": self.curve, "capped": capped}

    def _validate(self, number: int) -> None:
        super()._validate(number)
        if self.seen >= len(self.data.train) and "a pass" not in self.moments:
            self.moments["a pass"] = self._look(self.seen)

    def _look(self, seen: int) -> dict[str, Any]:
        rmse = Errors.of(self.model, self.data.train, self.data.events, self.data.part_E).rmse
        return {"passes": seen / len(self.data.train), "rmse": rmse, "sides": inside(self.model, self.data)}


@torch.no_grad()
def inside(model: Any, data: Data) -> list[dict[str, float]]:
    """What is seen in the people's side and in the items', over the histories before the data's asked events."""
    model.eval()
    events, place_E = data.events, data.part_E
    position_E = place_E - events.offset_U[events.user_E[place_E]]
    steps: tuple[list[Tensor], list[Tensor]] = ([], [])
    spreads: tuple[list[Tensor], list[Tensor]] = ([], [])
    for part in by_length(position_E, model.needs.length, ROWS):
        place_B = place_E[part]
        batch = events.before(events.user_E[place_B], position_E[part], model.needs)
        for side, (seen_X7, spread_B) in enumerate(looked(model, batch, events.item_E[place_B])):
            steps[side].append(seen_X7)
            spreads[side].append(spread_B)
    return [summed(torch.cat(seen), torch.cat(spread)) for seen, spread in zip(steps, spreads, strict=True)]


def summed(seen_X7: Tensor, spread_B: Tensor) -> dict[str, float]:
    """Means over steps and over histories, and sizes."""
    found = dict(zip(SEEN, seen_X7[:, :5].mean(0).tolist(), strict=True))
    sizes = dict(zip(SIZES, seen_X7[:, 5:].median(0).values.tolist(), strict=True))
    larger = (seen_X7[:, 6] > seen_X7[:, 5]).double().mean()
    return found | sizes | {"in a history": float(spread_B.mean()), "larger": float(larger)}


def looked(model: Any, batch: Batch, item_B: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Of both sides, when each row meets its item: `stepped`."""
    sides, made = (model.user, model.item), dict[nn.Module, tuple[Any, Any]]()

    def keep(module: nn.Module, given: Any, result: Any) -> None:
        made[module] = (given[0], result)

    hooks = [one.register_forward_hook(keep) for side in sides for one in (side, side.cross)]
    weights = {one.over: one.value for one in model.explain(batch, item_B)}
    for hook in hooks:
        hook.remove()
    gates = (weights["gate"], weights["item_gate"])
    return [stepped(side, *made[side], made[side.cross][1], gate) for side, gate in zip(sides, gates, strict=True)]


def stepped(side: Side, value_XD: Tensor, read: Read, other_BF: Tensor, gate_BL: Tensor) -> tuple[Tensor, Tensor]:
    """A step's gate, whether it is open or shut, its share of flat units in three places, and the sizes of what is its
    own and of what the other side adds; and how far the gates of a history of two steps or more lie apart.
    """
    layout, weight_WHH = read.layout, side.weight_WHH
    gate_X, own_XF, other_XF = gate_BL[layout.row_X, layout.step_X], read.own_XF, other_BF[layout.row_X]
    assert own_XF is not None
    drives = side.input(value_XD).split(side.hidden, 1)
    attention_XS = torch.cat(
        [
            recur(drives[way], weight_WHH[way], None, layout.sizes, way == 2, side.activation)  # there and back
            for way in (1, 2)
        ],
        1,
    )
    state_XH = recur(drives[0], weight_WHH[0], gate_X, layout.sizes)
    before_XH = state_XH[layout.at(layout.row_X, (layout.step_X - 1).clamp(min=0))] * (layout.step_X > 0)[:, None]
    brought_XH = (drives[0] + before_XH @ weight_WHH[0].t()).relu()
    flats = (flat(attention_XS, side.activation), flat(brought_XH, "relu"), flat((own_XF + other_XF).tanh(), "tanh"))
    sizes = (one.double().square().mean(1).sqrt() for one in (own_XF, other_XF))  # such as 32 bits cannot square
    shut_X = (gate_X < 0.05) | (gate_X > 0.95)
    several_B = layout.length_B > 1
    gate_BL, count_B = gate_BL[several_B].double(), layout.length_B[several_B]  # 0 after a history's end
    mean_B = gate_BL.sum(1) / count_B
    spread_B = (gate_BL.square().sum(1) / count_B - mean_B.square()).clamp(min=0).sqrt()
    return torch.stack([gate_X.double(), shut_X.double(), *flats, *sizes], 1), spread_B


def flat(value_XF: Tensor, activation: Activation) -> Tensor:
    """The share of units, known by their values, at which the activation's slope is under FLAT of its steepest, 1."""
    if activation == "relu":
        slope_XF = (value_XF > 0).float()
    elif activation == "tanh":
        slope_XF = 1 - value_XF.square()
    else:
        slope_XF = -torch.expm1(-SHARP * value_XF)
    return (slope_XF < FLAT).double().mean(1)


def learnt(name: str, layout: Layout, given: argparse.Namespace) -> dict[str, Any]:
    """A row, made or kept."""
    frozen, way = name.endswith(FROZEN), WAYS[name.removesuffix(FROZEN)]
    file, needs = lies(way, layout, given, "frozen" if frozen else "learnt")
    if found := earlier(file, {}):
        return found
    found = Watched(way, load(layout, needs, "valid", "cpu"), given, frozen).whole()
    files.write_text(json.dumps(found), file)
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: four lines a row, people / items, and each validation."""
    lines = [HEAD]
    for name, row in found.items():
        for moment in MOMENTS:
            seen = row["moments"][moment]
            both = [" / ".join(f"{side[key]:.3g}" for side in seen["sides"]) for key in HEAD[4:]]
            lines.append([name + " †" * row["capped"], moment, f"{seen['passes']:.2f}", f"{seen['rmse']:.4f}", *both])
    curves = [["row", "validation RMSE at each validation"]]
    curves += [[name, ", ".join(f"{value:.4f}" for value in row["curve"])] for name, row in found.items()]
    return f"{markdown(lines)}\n\n{markdown(curves)}"


def main() -> None:
    """Learn, look, print."""
    rows = [name + frozen for name in WAYS for frozen in ("", FROZEN)]
    given, layout = asked(__doc__, rows, rows[:2], Path("build/iarn_inside"))
    found: dict[str, dict[str, Any]] = {}
    for name in given.rows:
        found[name] = learnt(name, layout, given)
        print(f"{name}: validation RMSE {found[name]['moments']['best']['rmse']:.4f}", file=sys.stderr, flush=True)
    print(table(found))


if __name__ == "__main__":
    with refused("iarn_inside"):
        main()
