import numpy as np
import pytest

from cotoolkit.runs.metrics import Metrics
from cotoolkit.training.first_movers import first_movement, first_movements

RNG = np.random.default_rng(0)
ITERATIONS = np.arange(1, 401)


def series(change_at, to, noise=0.02):
    return np.where(change_at > ITERATIONS, 0.9, to) + noise * RNG.standard_normal(len(ITERATIONS))


@pytest.mark.parametrize("change", [260, 290, 300])
def test_finds_the_first_movement_near_the_break(change):
    assert first_movement(ITERATIONS, series(change, 0.1), 300, "falls") == change
    assert first_movement(ITERATIONS, -series(change, 0.1), 300, "rises") == change


def test_movement_the_other_way_is_not_it():
    assert first_movement(ITERATIONS, series(290, 1.8), 300, "falls") is None


def test_rounding_noise_on_a_constant_is_no_movement():
    values = np.where(ITERATIONS < 290, 2.0, 2.0 - 2.4e-7)
    assert first_movement(ITERATIONS, values, 300, "falls") is None


def test_a_single_outlier_is_no_movement():
    values = series(1000, 0)
    values[280] = -5
    assert first_movement(ITERATIONS, values, 300, "falls") is None


def test_an_early_break_uses_what_there_is_and_too_little_says_nothing():
    assert first_movement(ITERATIONS, series(35, 0.1), 40, "falls") == 35
    assert first_movement(ITERATIONS, series(8, 0.1), 10, "falls") is None


def test_unknown_values_are_passed_over():
    values = series(290, 0.1)
    values[[100, 200, 295]] = np.nan
    assert first_movement(ITERATIONS, values, 300, "falls") == 290


def test_signals_are_ordered_by_when_they_moved():
    metrics = Metrics()
    falls, rises, still = series(295, 0.1), -series(280, 0.1), series(1000, 0)
    for i, (a, b, c) in enumerate(zip(falls, rises, still, strict=True), start=1):
        metrics.add(i, {"pert_align": a, "abnormal_example": b, "linearity": c})
    assert list(first_movements(metrics, 300).items()) == [("abnormal_example", 280), ("pert_align", 295)]
