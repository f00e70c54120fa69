"""Where MAHN's rule is kept in mahn's world: in its gates, or already in the states of its first layer?

    python -m benchmarks.worlds.gates [--seeds 1 2 3] [--rate 0.01]

trains MAHN with modulated and with open gates there and prints, over the acts that test cases look back on: how well a
linear probe (logistic regression on half of the people, tested on the other half) tells from the first layer's state
whether an act leads on, beside the same from the act's own views and row, and beside always saying the commoner; and
how much of the picture's length the gates let through where an act leads on and where it stops.
"""

import argparse
import logging

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from benchmarks.cells import Apart
from benchmarks.worlds import mahn
from benchmarks.worlds.made import TEST, Codes, Made, Numbers
from benchmarks.worlds.trial import learnt
from models.mahn import MAHN


def leads(world: Made) -> Codes:
    """leads_UL: whether each act leads on."""
    rule = world.rule
    assert isinstance(rule, mahn.Rule)
    traits, state, found = rule.traits(world.catalog), rule.begin(world.people), list[Codes]()
    for item_U in world.item_UL.T:
        state = rule.after(item_U, state, traits)
        found.append((traits[1][item_U] == state[0]).astype(np.int64))
    return np.stack(found, 1)


@torch.no_grad()
def inside(model: MAHN, world: Made) -> tuple[Numbers, Numbers, Numbers]:
    """own_ULX, the parts of the acts' items; state_ULD of the first layer; passed_UL of the pictures' length.

    Raises:
        ValueError: the model's parts are not the picture, the text and the row.
    """
    if tuple(model.config.views) != ("image", "text"):
        raise ValueError(f"the probe is of pictures and texts; the model reads {model.config.views}")
    item_UL = torch.from_numpy(world.item_UL)
    part = [F.embedding(item_UL, part_ND) for part_ND in model.items(None)[0]]
    state_ULD, _ = model.first(torch.cat(part, -1))
    alpha_ULD = model.gates[0](state_ULD, part[0])
    passed_UL = (alpha_ULD * part[0]).norm(dim=-1) / part[0].norm(dim=-1)
    return torch.cat(part, -1).double().numpy(), state_ULD.double().numpy(), passed_UL.double().numpy()


def probed(value_ULX: Numbers, leads_UL: Codes) -> float:
    """How often a linear probe that half of the people taught is right about the other half."""
    half, width = len(value_ULX) // 2, value_ULX.shape[2]
    probe = LogisticRegression(max_iter=2000).fit(value_ULX[:half].reshape(-1, width), leads_UL[:half].ravel())
    return float(probe.score(value_ULX[half:].reshape(-1, width), leads_UL[half:].ravel()))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.worlds.gates",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, nargs="+", action=Apart, default=[1, 2, 3])
    parser.add_argument("--rate", type=float, default=0.01)
    given = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    print("| seed | row | commoner | from the act's own | from the first layer | let through: leads on | stops |")
    print("|---|---|---|---|---|---|---|")
    for seed in given.seeds:
        world = mahn.made(seed)
        late = slice(-TEST - 1, -1)  # each before a test case
        leads_UL = leads(world)[:, late]
        commoner = max(leads_UL.mean(), 1 - leads_UL.mean())
        for row in ("mahn", "open gates"):
            model, _ = learnt(world, mahn.WORLD.rows[row], seed, given.rate)
            assert isinstance(model, MAHN)
            own_ULX, state_ULD, passed_UL = (value[:, late] for value in inside(model, world))
            told = f"{probed(own_ULX, leads_UL):.3f} | {probed(state_ULD, leads_UL):.3f}"
            passed = " | ".join(f"{passed_UL[leads_UL == one].mean():.3f}" for one in (1, 0))
            print(f"| {seed} | {row} | {commoner:.3f} | {told} | {passed} |", flush=True)


if __name__ == "__main__":
    main()
