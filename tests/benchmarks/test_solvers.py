"""The benchmarks of models that are solved for, on a handful of events."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import rating_folds, solvers


def write(folder: Path) -> Path:
    """Ratings that a person's and a film's bias make, with tastes of two kinds."""
    rng = np.random.default_rng(1)
    lines = ["userId,movieId,rating,timestamp"]
    for user in range(1, 31):
        for place, film in enumerate(rng.permutation(20)[:12] + 1):
            rating = 3 + user % 2 + (1 if (user + film) % 2 else -1) * 0.5
            lines.append(f"{user},{film},{rating},{1_400_000_000 + 90_000 * place}")
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def one_thread_again() -> object:
    yield
    torch.set_num_threads(1)


def test_every_row_of_the_folds_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rating_folds.main([str(write(tmp_path)), "--folds", "3", "--only", "mean", "bias", "svdpp, Surprise's settings"])
    lines = capsys.readouterr().out.splitlines()
    rmse = {line.split(" | ")[0]: float(line.split(" | ")[1].split()[0]) for line in lines if line.count(" | ") == 4}
    assert rmse.keys() == {"mean", "bias", "svdpp, Surprise's settings"}
    assert rmse["bias"] < rmse["mean"] - 0.05
    difference = next(line for line in lines if line.startswith("bias |")).split(" | ")[2]
    assert float(difference.split()[0]) == pytest.approx(rmse["bias"] - rmse["mean"], abs=2e-4)


def test_a_fold_is_never_learnt_from(tmp_path: Path) -> None:
    ratings = rating_folds.Ratings.of(write(tmp_path))
    test_E = np.arange(len(ratings.frame)) % 3 == 0
    train = ratings.some(~test_E)
    assert set(train.event_E.tolist()) == set((np.flatnonzero(~test_E) + 1).tolist())
    choice = rating_folds.section("biases", {"of": "none"})
    errors = rating_folds.predicted(choice, ratings, ~test_E, test_E, 1)
    given = ratings.frame["rating"].to_numpy()
    assert errors.squared_E == pytest.approx((given[test_E] - given[~test_E].mean()) ** 2, rel=1e-4)


@pytest.mark.usefixtures("one_thread_again")
def test_solvers_are_measured_with_or_without_the_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solvers, "INSTALLED", False)
    monkeypatch.setitem(solvers.SETTINGS, "ials", solvers.SETTINGS["ials"] | {"dim": 4})
    solvers.main([str(write(tmp_path)), "--rounds", "1", "--threads", "1"])
    said = capsys.readouterr().out
    assert "30 users, 20 items, 360 events" in said
    for name in ("item_knn", "ease", "ials, a sweep"):
        cells = next(line for line in said.splitlines() if line.startswith(f"│ {name} ")).split("│")
        assert float(cells[2].split()[0]) < 60
        assert 0 < float(cells[7]) < 1
    assert "the library is not installed" in said


def test_drawn_pairs_are_all_different() -> None:
    events = solvers.drawn(50, 40, 300)
    assert len(events) == 300
    assert len(set(zip(events.user_E.tolist(), events.item_E.tolist(), strict=True))) == 300


def test_one_fold_and_a_folder_without_ratings_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        rating_folds.main([str(tmp_path), "--folds", "1"])
    assert "2 at least" in capsys.readouterr().err
    (tmp_path / "ratings.csv").write_text("user,movieId,rating,timestamp\n1,1,3,0\n")
    with pytest.raises(ValueError, match=r"ratings\.csv has no userId; it has"):
        rating_folds.main([str(tmp_path)])
