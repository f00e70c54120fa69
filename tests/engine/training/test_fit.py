"""The loop: it stops where it should, keeps the best state, and repeats itself."""

import os
import signal
from pathlib import Path
from typing import final

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from engine.tables.arrays import event_columns
from engine.tables.schemas import SPLIT
from engine.tables.settings import checked
from engine.training.batch import Batch
from engine.training.contract import Learner, Phase, Phased, Prepared, Recommender
from engine.training.fit import Progressed, Train, accelerator, fit
from engine.training.interactions import Interactions
from engine.training.interrupt import delayed
from engine.training.loop import Loop
from engine.training.needs import Needs

SETTINGS = {
    "epochs": 6,
    "batch_size": 4,
    "lr": 0.1,
    "weight_decay": 0.0,
    "clip": 1.0,
    "patience": 2,
    "precision": "32-true",
    "save": 0.0,
}


def train(**changes: object) -> Train:
    return checked(Train, SETTINGS | changes, "train")


def events() -> Interactions:
    rows = [(u, p, i, None, "train", None) for u in range(1, 9) for p, i in enumerate([1, 2, 3, 4, 5])]
    return Interactions.of(event_columns(pl.DataFrame(rows, schema=dict(SPLIT.columns), orient="row")), 5)


@final
class Slope(Learner):
    """One number that the loss pushes up; `bad` makes the loss no number at a value."""

    def __init__(self, bad: float = float("inf")):
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))
        self.bad = bad

    @property
    def needs(self) -> Needs:
        return Needs(length=4)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.value.expand(item_BK.shape)

    def loss(self, batch: Batch) -> Tensor:
        return torch.log(self.bad - self.value) * 0 - self.value if self.bad < float("inf") else -self.value


def test_the_best_state_is_kept_and_patience_ends_the_run(tmp_path: Path) -> None:
    model = Slope()
    readings = iter([0.1, 0.5, 0.4, 0.3, 0.9, 0.9])
    seen: list[float] = []

    def reading() -> float:
        seen.append(model.value.item())
        return next(readings)

    done = fit(model, events(), reading, train(), 1, tmp_path / "c.pt")
    assert done.epoch == 4
    assert (done.best, done.best_epoch, done.capped) == (0.5, 2, False)
    assert model.value.item() == seen[1]
    assert not (tmp_path / "c.pt").exists()


def test_who_watches_is_told_each_validation_again_after_a_kill_and_can_end_the_run(tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []

    def watch(epoch: int, value: float) -> None:
        told.append((epoch, value))
        if value == 0.3 and stops:
            raise stops.pop()

    stops: list[Exception] = [ValueError("enough")]
    with pytest.raises(ValueError, match="enough"):
        fit(Slope(), events(), iter([0.1, 0.2, 0.3]).__next__, train(), 1, tmp_path / "c.pt", watch)
    assert (tmp_path / "c.pt").exists()
    assert told == [(1, 0.1), (2, 0.2), (3, 0.3)]
    told.clear()
    fit(Slope(), events(), iter([0.3, 0.4, 0.5, 0.6]).__next__, train(), 1, tmp_path / "c.pt", watch)
    assert told == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4), (5, 0.5), (6, 0.6)]


def test_a_loss_that_is_no_number_stops_the_run_by_name(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match=r"epoch \d+, step \d+: the loss is nan"):
        fit(Slope(bad=0.25), events(), lambda: 0.0, train(), 1, tmp_path / "c.pt")


def test_a_gradient_that_is_no_number_stops_the_run_by_name(tmp_path: Path) -> None:
    class Edge(Slope):  # type: ignore[misc]
        def loss(self, batch: Batch) -> Tensor:
            return self.value.sqrt() * 0  # the slope of a root at 0 has no end, and 0 times that is no number

    told = r"epoch 1, step 0: the gradient's norm is nan; .* lower lr \(now 0\.1\)"
    with pytest.raises(FloatingPointError, match=told):
        fit(Edge(), events(), lambda: 0.0, train(), 1, tmp_path / "c.pt")


def test_a_run_that_dies_goes_on_where_it_was(tmp_path: Path) -> None:
    def run(model: Slope, dies_at: int) -> list[tuple[int, float]]:
        calls = []

        def reading() -> float:
            calls.append(1)
            if len(calls) == dies_at:
                raise KeyboardInterrupt
            return model.value.item()

        return fit(model, events(), reading, train(), 1, tmp_path / "c.pt").readings

    with pytest.raises(KeyboardInterrupt):
        run(Slope(), 4)
    assert (tmp_path / "c.pt").exists()
    resumed = Slope()
    readings = run(resumed, 99)
    undisturbed = Slope()
    assert readings == run(undisturbed, 99)
    assert len(readings) == 6
    assert resumed.value.item() == undisturbed.value.item()


def stopped(path: Path, until: int, **changes: object) -> None:
    """A run that is stopped in the validation of an epoch; what it validated is .1, .5, .4, .3, …"""

    def reading() -> float:
        if len(read) == until:
            raise KeyboardInterrupt
        read.append(1)
        return RISEN[len(read) - 1]

    read: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        fit(Slope(), events(), reading, train(patience=6, **changes), 1, path)


RISEN = [0.1, 0.5, 0.4, 0.3, 0.2, 0.1]


def after(path: Path, epochs: int, **changes: object) -> tuple[Slope, Progressed]:
    """The run again, with so many epochs, its validations from where it goes on."""
    model, rest = Slope(), iter(RISEN[3:])
    return model, fit(model, events(), lambda: next(rest), train(epochs=epochs, patience=6, **changes), 1, path)


@pytest.mark.parametrize("decay", ["none", "cosine"])
def test_a_stopped_run_ends_with_fewer_epochs_at_its_best_so_far(
    tmp_path: Path, decay: str, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(tmp_path / "c.pt", 3, decay=decay)
    assert "stopped: run it again to go on, or with epochs: 1 to end" in caplog.text
    model, done = after(tmp_path / "c.pt", 2, decay=decay)
    assert (done.epoch, done.best_epoch, done.best) == (3, 2, 0.5)
    undisturbed = Slope()
    readings = iter(RISEN)
    fit(undisturbed, events(), lambda: next(readings), train(patience=6, decay=decay), 1, tmp_path / "other.pt")
    assert model.value.item() == undisturbed.value.item()
    assert not (tmp_path / "c.pt").exists()


def test_it_goes_on_with_more_epochs_but_not_where_the_rate_falls_over_them(tmp_path: Path) -> None:
    stopped(tmp_path / "c.pt", 3)
    assert after(tmp_path / "c.pt", 5)[1].readings == [(1, 0.1), (2, 0.5), (3, 0.4), (4, 0.3), (5, 0.2)]
    stopped(tmp_path / "c.pt", 3, decay="cosine")
    assert after(tmp_path / "c.pt", 6, decay="cosine")[1].epoch == 6
    stopped(tmp_path / "c.pt", 3, decay="cosine", epochs=7)
    with pytest.raises(StopIteration):  # it starts anew, and there are three readings
        after(tmp_path / "c.pt", 6, decay="cosine")


def test_ctrl_c_keeps_the_epoch_that_it_comes_in_and_stops(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)

    def reading() -> float:
        read.append(1)
        if len(read) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return RISEN[len(read) - 1]

    read: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        fit(Slope(), events(), reading, train(patience=6, save=1e9), 1, tmp_path / "c.pt")
    assert after(tmp_path / "c.pt", 1)[1].readings == [(1, 0.1), (2, 0.5), (3, 0.4)]
    assert signal.getsignal(signal.SIGINT) == before


def test_a_second_ctrl_c_stops_at_once() -> None:
    came: list[bool] = []

    def stop(waits: bool) -> None:
        with delayed(lambda: waits):
            for _ in range(5):
                came.append(waits)
                os.kill(os.getpid(), signal.SIGINT)

    for waits in (False, True):
        with pytest.raises(KeyboardInterrupt):
            stop(waits)
    assert came == [False, True, True]


@pytest.mark.parametrize("damage", ["short", "empty", "flipped", "text"])
def test_a_damaged_checkpoint_is_named_and_the_training_starts_anew(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.pt"
    stopped(path, 3)
    found = path.read_bytes()
    middle = found.index(b"progress") + 3
    flipped = found[:middle] + bytes([found[middle] ^ 1]) + found[middle + 1 :]
    path.write_bytes({"short": found[:-99], "empty": b"", "flipped": flipped, "text": b"no zip"}[damage])
    readings = iter(RISEN)
    done = fit(Slope(), events(), lambda: next(readings), train(patience=6), 1, path)
    assert [value for _, value in done.readings] == RISEN
    assert f"{path}: the checkpoint is damaged (" in caplog.text
    assert "the training starts anew" in caplog.text


@pytest.mark.parametrize(
    ("held", "why"), [({"value": torch.ones(2)}, "it lacks"), ([1, 2], "it lacks"), (nn.Linear(1, 1), "Weights only")]
)
def test_what_is_whole_and_no_checkpoint_is_refused_by_name(tmp_path: Path, held: object, why: str) -> None:
    torch.save(held, tmp_path / "c.pt")
    with pytest.raises(ValueError, match=rf"c\.pt: no checkpoint of a training \({why}[\s\S]*remove it to start anew"):
        fit(Slope(), events(), lambda: 0.0, train(), 1, tmp_path / "c.pt")
    assert (tmp_path / "c.pt").exists()


def test_a_learner_needs_something_to_select_by(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="Slope is selected by validation"):
        fit(Slope(), events(), None, train(), 1, tmp_path / "c.pt")


def test_neither_learner_nor_solver_is_refused(tmp_path: Path) -> None:
    @final
    class Mute(Recommender):
        @property
        def needs(self) -> Needs:
            return Needs()

        def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
            return item_BK.float()

    with pytest.raises(TypeError, match="neither a Learner nor a Solver"):
        fit(Mute(), events(), lambda: 0.0, train(), 1, tmp_path / "c.pt")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="auto, cpu or cuda"):
        accelerator("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="torch sees none"):
            accelerator("cuda")


def vanishing() -> bool:
    """Whether a number under 1e-38 counts as 0."""
    return not (torch.full((), 1.2e-38) * 0.1).item()


@pytest.mark.parametrize("before", [False, True])
def test_numbers_too_small_to_matter_are_zero_in_training_alone(tmp_path: Path, before: bool) -> None:
    """As weights that decay end there, where a processor is several times slower; who calls has it as it was."""
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor has no such mode")
    torch.set_flush_denormal(before)
    seen = []

    def reading() -> float:
        seen.append(vanishing())
        return 1.0

    try:
        fit(Slope(), events(), reading, train(), 1, tmp_path / "c.pt")
        assert seen
        assert all(seen)
        assert vanishing() == before
    finally:
        torch.set_flush_denormal(False)


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ValueError, match=r"train\.epoch: .*known keys: average, batch_size"):
        train(epoch=3)


def test_the_rate_falls_along_a_cosine_and_moves_the_steps(tmp_path: Path) -> None:
    falling = train(decay="cosine", epochs=4)
    assert [round(falling.rate(epoch), 4) for epoch in (1, 2, 3, 4)] == [0.1, 0.0854, 0.05, 0.0146]
    halved = train(decay="halved", epochs=300)
    assert [halved.rate(epoch) for epoch in (1, 10, 11, 20, 21, 31)] == [0.1, 0.1, 0.05, 0.05, 0.025, 0.0125]
    ends = {}
    for decay in ("none", "cosine"):
        model = Slope()
        fit(model, events(), lambda m=model: m.value.item(), train(decay=decay), 1, tmp_path / "c.pt")  # type: ignore[misc]
        ends[decay] = model.value.item()
    assert 0 < ends["cosine"] < ends["none"] * 0.8


def test_the_rate_falls_after_each_plateau_and_a_resumed_run_knows_of_it(tmp_path: Path) -> None:
    settings, values = train(decay="plateau", epochs=14, patience=9), [1, 2, 2, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]
    assert [90 * settings.rate(epoch, [6, 11]) for epoch in (1, 6, 7, 11, 12)] == pytest.approx([9, 9, 3, 3, 1])
    ends: dict[str, list[float]] = {"whole": [], "cut": []}

    def learnt(name: str, until: int) -> Progressed:
        model = Slope()

        def reading() -> float:
            if len(ends[name]) == until:
                raise KeyboardInterrupt
            ends[name].append(model.value.item())
            return values[len(ends[name]) - 1]

        return fit(model, events(), reading, settings, 1, tmp_path / f"{name}.pt")

    done = learnt("whole", 99)
    assert done.plateaus == [6, 11]  # four validations without a gain; the gain of 7 begins the count anew
    assert done.phase_plateaus == {"": [6, 11]}
    step_E = torch.diff(torch.tensor([0.0, *ends["whole"]]))
    for before, then, after in ((0, 6, 11), (6, 11, 14)):
        assert step_E[then:after] == pytest.approx(step_E[before:then].mean().expand(after - then) / 3, rel=0.1)
    with pytest.raises(KeyboardInterrupt):
        learnt("cut", 12)
    learnt("cut", 99)
    assert ends["cut"] == ends["whole"]


@pytest.mark.parametrize(
    ("values", "risen"),
    [
        ([0.1, 0.2, 0.4, 0.2, 0.3, 0.2, 0.5, 0.3], 0.25),  # the best of 7 and 8 beside that of 1 to 6
        ([0.1, 0.2, 0.4, 0.2, 0.3, 0.2, 0.3, 0.3], -0.25),
        ([-1.2, -1.0, -1.1, -0.9], 0.1),  # of errors the smaller ones are the better
        ([0.1], 0.0),
        ([], 0.0),
    ],
)
def test_how_far_validation_rose_in_the_last_quarter(values: list[float], risen: float) -> None:
    readings = list(enumerate(values, 1))
    assert Progressed(epoch=len(values), readings=readings).risen == pytest.approx(risen)


def test_a_run_that_ends_before_its_rate_falls_is_refused() -> None:
    with pytest.raises(ValueError, match=r"patience: 4 ends a run before decay: plateau lowers .*4 validations"):
        train(decay="plateau", patience=4)
    assert train(decay="plateau", patience=5).patience == 5


def test_a_batch_that_stands_in_for_rows_counts_for_nothing(tmp_path: Path) -> None:
    loop = Loop(Slope(), events(), train(), 1, tmp_path / "c.pt")
    for batch, own in loop.steps.epoch(torch.Generator().manual_seed(1)):
        assert own
        assert batch.target_BL is not None
        assert loop._step(batch, True)[1] == int((batch.target_BL > 0).sum()) > 0
        assert loop._step(batch, False)[1] == 0


@final
class Steep(Phased):
    """Two numbers: the first phase moves one, the second starts from it and moves the other."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.phase, self.entered = "high", list[str]()

    @property
    def needs(self) -> Needs:
        return Needs(length=4)

    @property
    def phases(self) -> list[Phase]:
        return [Phase("low", epochs=3, selected=False, lr=0.5), Phase("high")]

    def enter(self, phase: str) -> None:
        self.phase = phase
        self.entered.append(phase)
        if phase == "high":
            with torch.no_grad():
                self.high.copy_(self.low)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return (self.low if self.phase == "low" else self.high).expand(item_BK.shape)

    def loss(self, batch: Batch) -> Tensor:
        return -self.low if self.phase == "low" else -self.high


def phased(path: Path, dies_at: int = 0) -> tuple[Steep, Progressed]:
    """A run of both phases that may die in a validation of the second; each one reads how far it has come."""
    model, calls = Steep(), list[int]()

    def reading() -> float:
        calls.append(1)
        assert model.phase == "high"
        if len(calls) == dies_at:
            raise KeyboardInterrupt
        return model.high.item()

    return model, fit(model, events(), reading, train(), 1, path)


def test_phases_follow_each_other_with_their_own_epochs_and_rate(tmp_path: Path) -> None:
    model, done = phased(tmp_path / "c.pt")
    steps = 2  # of an epoch: eight people in fours
    assert model.entered == ["low", "high"]
    assert model.low.item() == pytest.approx(3 * steps * 0.5, rel=1e-3)
    assert model.high.item() == pytest.approx(model.low.item() + 6 * steps * 0.1, rel=1e-3)
    assert (done.epoch, len(done.readings), done.capped) == (6, 6, True)
    assert done.seconds_to_the_best == done.earlier + sum(done.seconds) > sum(done.seconds) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_dies_in_its_second_phase_does_not_learn_the_first_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt):
        phased(tmp_path / "c.pt", dies_at=3)
    assert {path.name for path in tmp_path.iterdir()} == {"low-c.pt", "high-c.pt"}
    caplog.set_level("INFO")
    resumed, done = phased(tmp_path / "c.pt")
    whole, _ = phased(tmp_path / "d.pt")
    assert "resumed after epoch 3 from low-c.pt" in caplog.text
    assert "resumed after epoch 2 from high-c.pt" in caplog.text
    assert (resumed.low.item(), resumed.high.item()) == (whole.low.item(), whole.high.item())
    assert done.earlier > 0
    assert list(tmp_path.iterdir()) == []


@final
class Counting(Prepared, Phased):
    """Two phases that move a number by how many events there were; it can be made as if it had been told of none."""

    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))
        self.register_buffer("counts", torch.zeros(()))
        self.calls = list[str]()

    @property
    def needs(self) -> Needs:
        return Needs(length=4)

    @property
    def phases(self) -> list[Phase]:
        return [Phase("first", epochs=1, selected=False), Phase("second")]

    def enter(self, phase: str) -> None:
        self.calls.append(phase)

    def prepare(self, train: Interactions) -> None:
        self.calls.append("prepare")
        self.counts.fill_(len(train))

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.value.expand(item_BK.shape)

    def loss(self, batch: Batch) -> Tensor:
        assert self.counts == 40
        return -self.value * self.counts


def test_a_learner_is_prepared_once_before_its_first_phase_also_when_it_was_killed(tmp_path: Path) -> None:
    calls = list[int]()

    def dies() -> float:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return float(len(calls))

    with pytest.raises(KeyboardInterrupt):
        fit(Counting(), events(), dies, train(), 1, tmp_path / "c.pt")
    resumed, whole = Counting(), Counting()
    fit(resumed, events(), dies, train(), 1, tmp_path / "c.pt")
    fit(whole, events(), lambda: whole.value.item(), train(), 1, tmp_path / "d.pt")
    assert resumed.calls == whole.calls == ["prepare", "first", "second"]
    assert resumed.value.item() == whole.value.item() > 0
    assert resumed.state_dict()["counts"] == 40
