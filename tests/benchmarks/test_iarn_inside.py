"""What is seen inside IARN: gates and units as the equations make them, at four moments, inputs learnt or frozen."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks import iarn_inside, iarn_learning
from benchmarks.iarn_inside import FROZEN, MOMENTS, Watched, flat, inside, looked, summed, table
from benchmarks.iarn_learning import WAYS, Way
from engine.evaluation.rate import Errors
from engine.tables.layout import Layout
from engine.training.batch import Batch
from tests.benchmarks.test_iarn_learning import ROOT, asked, layout, run  # noqa: F401 - layout is a fixture


def every(made: Any) -> tuple[Batch, Tensor]:
    """The validation's events, what was before them and what is asked."""
    events, place_E = made.data.events, made.data.part_E
    position_E = place_E - events.offset_U[events.user_E[place_E]]
    return events.before(events.user_E[place_E], position_E, made.model.needs), events.item_E[place_E]


@pytest.mark.parametrize(("name", "factor"), [("printed", 5.0), ("and scaled", 1.0)])
@pytest.mark.parametrize("number", [0, 1], ids=["people", "items"])
def test_a_step_is_seen_as_the_equations_make_it(layout: Layout, name: str, factor: float, number: int) -> None:  # noqa: F811
    """One step after the other; of the gate, the tanh before it and what goes into that."""
    made = run(layout, WAYS[name], lr=0.001, passes=1)  # so little that gates differ yet
    made.learn()
    model, readings = made.model.eval(), made.model.config.readings
    batch, item_B = every(made)
    with torch.no_grad():
        for one in (model.user.own, model.user.cross, model.item.own, model.item.cross):
            one.weight.mul_(factor)  # 5: so that some units are flat
        gate_BL = model.explain(batch, item_B)[2 + number].value
        seen_X7, spread_B = looked(model, batch, item_B)[number]
        history_U2, where_B = model.histories.asked(batch, item_B[:, None])
        items = model.histories.of_items(batch, history_U2[where_B], model.config.item_length)[:2]
        reads = [model.user(*model.histories.of_users(batch)), model.item(*items)]
        side, read, lengths = (model.user, model.item)[number], reads[number], reads[number].layout
        other_BF = side.cross(readings.summary * reads[1 - number].summary_BS)
    assert len(seen_X7) == len(lengths.row_X) > 0
    for place, row in enumerate(lengths.row_X.tolist()):
        inner_F = torch.tanh(read.own_XF[place] + other_BF[row])
        gate = torch.sigmoid(readings.scale * side.vote(inner_F)).item()
        expected = [gate, float(gate < 0.05 or gate > 0.95), float((1 - inner_F.square() < 0.05).float().mean())]
        expected += [float(one.norm()) / len(inner_F) ** 0.5 for one in (read.own_XF[place], other_BF[row])]
        assert seen_X7[place, [0, 1, 4, 5, 6]].tolist() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    gates = [gate_BL[row, :count] for row, count in enumerate(lengths.length_B.tolist()) if count > 1]
    assert spread_B.tolist() == pytest.approx([float(row.std(correction=0)) for row in gates], rel=1e-3)
    assert float(spread_B.max()) > 0.001
    assert factor == 1 or 0 < float(seen_X7[:, 4].mean()) < 1


def test_what_a_step_brings_to_the_state_is_walked_through(layout: Layout) -> None:  # noqa: F811
    made = run(layout, WAYS["printed"])
    made.learn()
    side, (batch, item_B) = made.model.eval().user, every(made)
    with torch.no_grad():
        gate_BL = made.model.explain(batch, item_B)[2].value
        seen_X7 = looked(made.model, batch, item_B)[0][0]
        value_XE, lengths = made.model.histories.of_users(batch)
        drive_XH = side.input(value_XE).split(side.hidden, 1)
        for row, count in enumerate(batch.length_B.tolist()):
            places = [int(lengths.at(torch.tensor(row), torch.tensor(step))) for step in range(count)]
            state_H = there_H = torch.zeros(side.hidden)
            states = []
            for step, place in enumerate(places):
                brought_H = (drive_XH[0][place] + side.weight_WHH[0] @ state_H).relu()
                assert float(seen_X7[place, 3]) == pytest.approx(float((brought_H == 0).float().mean()), abs=1e-6)
                state_H = (1 - gate_BL[row, step]) * state_H + gate_BL[row, step] * brought_H
                there_H = (drive_XH[1][place] + side.weight_WHH[1] @ there_H).relu()
                states.append(there_H)
            back_H = torch.zeros(side.hidden)
            for place, forth_H in zip(reversed(places), reversed(states), strict=True):
                back_H = (drive_XH[2][place] + side.weight_WHH[2] @ back_H).relu()
                zeros = (torch.cat([forth_H, back_H]) == 0).float().mean()
                assert float(seen_X7[place, 2]) == pytest.approx(float(zeros), abs=1e-6)


def test_units_are_flat_where_their_slope_is_under_a_twentieth_of_the_steepest() -> None:
    before = torch.linspace(-3, 3, 601, dtype=torch.float64, requires_grad=True)
    for activation, of in (
        ("relu", torch.relu),
        ("tanh", torch.tanh),
        ("softplus", lambda x: torch.nn.functional.softplus(x, beta=5.0)),
    ):
        value = of(before)
        slope = torch.autograd.grad(value.sum(), before)[0]
        expected = (slope < 0.05 * slope.max()).double().mean()
        assert float(flat(value.detach()[None], activation)) == pytest.approx(float(expected))  # type: ignore[arg-type]
        assert 0 < float(expected) < 1


def test_looking_does_not_change_what_is_learnt_and_frozen_inputs_stay_as_drawn(layout: Layout) -> None:  # noqa: F811
    plain = run(layout, WAYS["printed"])
    drawn = {name: one.clone() for name, one in plain.model.state_dict().items()}
    plain.learn()
    found = {}
    for frozen in (False, True):
        made = Watched(WAYS["printed"], plain.data, asked(), frozen)
        found[frozen] = made.whole()
        inputs = [name for name in made.kept if name in ("histories.item_ND", "histories.user_UD")]
        assert len(inputs) == 2
        assert all(torch.equal(made.kept[name], drawn[name]) == frozen for name in inputs)
        assert not torch.equal(made.kept["tops.0.weight"], drawn["tops.0.weight"])
        if not frozen:
            assert all(torch.equal(made.kept[name], one) for name, one in plain.kept.items())
            assert found[frozen]["curve"] == plain.curve
    assert found[True]["curve"] != found[False]["curve"]


def test_the_moments_are_those_of_the_row(layout: Layout) -> None:  # noqa: F811
    made = Watched(WAYS["validated every 6,400 pairs"], run(layout, Way()).data, asked(lr=0.003), False)
    found = made.whole()
    moments = found["moments"]
    assert set(moments) == set(MOMENTS)
    assert moments["start"]["passes"] == 0
    assert moments["a pass"]["passes"] == 1.2, "read every 16 pairs of 40: the third time"
    assert (
        moments["best"]["rmse"]
        == min(found["curve"])
        == Errors.of(made.model, made.data.train, made.data.events, made.data.part_E).rmse
    )
    assert moments["end"]["rmse"] == found["curve"][-1]
    assert moments["end"]["passes"] > moments["best"]["passes"] > 0
    assert moments["best"]["sides"] == inside(made.model, made.data)
    assert moments["best"]["sides"] != moments["start"]["sides"]


def test_the_command_learns_keeps_and_prints(
    layout: Layout,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    words = ["small", "--batch", "8", "--patience", "2", "--lr", "0.01"]
    monkeypatch.setattr(sys, "argv", ["iarn_inside", *words])
    iarn_inside.main()
    first = capsys.readouterr().out
    lines = [line.split(" | ") for line in first.splitlines() if line.startswith("| printed")]
    assert [(line[0], line[1]) for line in lines[:8]] == [
        (f"| printed{frozen}", moment) for frozen in ("", FROZEN) for moment in MOMENTS
    ]
    assert all(cell.count("/") == 1 for line in lines[:8] for cell in line[4:])
    assert len(lines) == 10
    assert len(list(Path("build/iarn_inside").glob("*.json"))) == 2
    monkeypatch.setattr(iarn_learning.Run, "learn", lambda self: pytest.fail("a kept row was learnt again"))
    iarn_inside.main()
    assert capsys.readouterr().out == first


def test_sizes_are_medians_and_the_larger_are_counted() -> None:
    seen_X7 = torch.tensor([[0.5, 0, 0, 0, 0, 1.0, 2.0], [0.7, 1, 0, 0, 0, 3.0, 1.0], [0.9, 1, 0, 0, 1, 1e30, 5.0]])
    found = summed(seen_X7.double(), torch.tensor([0.1, 0.3]).double())
    assert (found["the step"], found["the other side"]) == (3.0, 2.0)
    assert found["larger"] == pytest.approx(1 / 3)
    assert (found["gate"], found["open or shut"], found["in a history"]) == pytest.approx((0.7, 2 / 3, 0.2))


def test_a_row_that_ended_at_its_cap_is_marked() -> None:
    side = dict.fromkeys(("gate", *iarn_inside.HEAD[5:]), 0.5)
    moment = {"passes": 1.0, "rmse": 0.9, "sides": [side, side]}
    row = {"moments": dict.fromkeys(MOMENTS, moment), "curve": [0.9], "capped": True}
    assert table({"printed": row}).splitlines()[2].startswith("| printed † | start | 1.00 | 0.9000 | 0.5 / 0.5 |")
