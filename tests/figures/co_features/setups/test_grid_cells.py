from __future__ import annotations

import numpy as np
import pytest

from cotoolkit.data import DataConfig, load
from figures.co_features.setups.grid_cells import grid_cells
from figures.co_features.setups.setup import SETUPS
from tests._helpers.grid_runs import grid_runs

A, B, C = ("a", 0.0), ("a", 0.1), ("b", 0.1)


@pytest.fixture
def data():
    return grid_runs(("arm", "beta"), {A: (0.5, 0), B: (0.4, 6), C: (0.1, 2)})


def test_shares_are_counted_over_the_breakpoints(data):
    cells = grid_cells(data, ("arm", "beta"))
    assert [cells.share(cell).found.mean for cell in (A, B, C)] == [0, 0.75, 0.25]
    assert cells.share(A, C).found.mean == 0.25  # in one of them or more
    assert cells.difference([B], [C]).found.mean == 0.5
    assert cells.difference([B], [C]).p(0) == pytest.approx(2 * 0.5**4)  # four seeds changed, all one way
    assert cells.gain(A, B).tolist() == pytest.approx([0.5 + 0.001 * seed for seed in range(6)] + [0.1] * 2)


def test_a_run_had_robustness_to_lose_if_it_broke_or_ends_with_some(data):
    cells = grid_cells(data, ("arm", "beta"))
    assert [cells.trained(cell).mean() for cell in (A, B, C)] == [1, 1, 0.25]


def test_runs_that_diverged_are_left_out(data):
    diverged = (data["arm"] == "a") & (data["beta"] == 0.1) & (data["seed"] == 7)
    data.loc[diverged, ["robust", "clean"]] = np.nan
    cells = grid_cells(data, ("arm", "beta"))
    assert cells.share(B).found.n == 7
    assert cells.difference([B], [C]).found.n == 7


def test_the_robust_accuracy_names_attack_steps_and_points():
    smoke = SETUPS["smoke"]
    assert smoke.robust_accuracy == "PGD-10 accuracy on 360 test images"
    assert len(load(DataConfig(**smoke.base["data"]), 0).test) == smoke.test_images
    assert SETUPS["laptop"].test_images == SETUPS["laptop"].base["data"]["test_size"]
