import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from analyses.core.statistics import estimate
from analyses.memorisation.estimators import group_influence, influence, memorisation, worst_error
from cotoolkit.core.errors import ConfigError

MASK = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]], dtype=bool)  # benign_at.md, section 6
TEST = np.array([[1, 0], [1, 1], [0, 0], [1, 1]], dtype=bool)


def test_memorisation_of_the_worked_example():
    assert memorisation(MASK, MASK).values.tolist() == [1, 1, 1]
    correct = MASK.copy()
    correct[1, 1] = True  # model 2 is right on sample 2, which it did not train on
    assert memorisation(MASK, correct).values.tolist() == [1, 0, 1]


def test_influence_of_the_worked_example():
    found = influence(MASK, TEST)
    np.testing.assert_allclose(found[:, 0], [1, -1 / 3, -1 / 3])
    np.testing.assert_allclose(found[:, 1], [2 / 3, -2 / 3, 2 / 3])


def test_an_empty_arm_is_undefined():
    mask = np.array([[1, 0, 1], [1, 0, 0]], dtype=bool)
    found = memorisation(mask, np.ones((2, 3), dtype=bool))
    assert np.isnan(found.values).tolist() == [True, True, False]
    assert np.isnan(found.errors).all()  # an arm of one model tells no spread
    assert np.isnan(influence(mask, np.ones((2, 4), dtype=bool))).any(1).sum() == 2


def test_errors_are_those_of_means_of_arms():
    mask = np.array([[1, 1, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]], dtype=bool)
    correct = np.array([[0.2, 1, 1], [0.8, 0, 1], [0.5, 0, 1], [0.7, 1, 1]])
    found = memorisation(mask, correct)
    assert found.errors[0] == pytest.approx(np.sqrt(0.6**2 / 4 + 0.2**2 / 4))  # of two values: their distance over 2
    assert np.isnan(found.errors[1])  # one model saw the image
    assert found.errors[2] == 0  # unanimous
    assert not np.isnan(found.values).any()


def test_estimated_errors_are_right_on_average_with_few_models():
    rng = np.random.default_rng(4)
    mask = np.repeat(np.arange(6) < 3, 20_000).reshape(6, -1)
    squares = memorisation(mask, rng.random(mask.shape) < np.where(mask, 0.9, 0.4)).errors ** 2
    assert squares.mean() == pytest.approx(0.9 * 0.1 / 3 + 0.4 * 0.6 / 3, rel=0.02)


@pytest.mark.parametrize(
    ("models", "half", "share"),
    [(16, 0.250, 0.273), (64, 0.125, 0.136), (200, 0.071, 0.077), (500, 0.045, 0.049), (4000, 0.016, 0.017)],
)
def test_worst_errors_of_the_table(models, half, share):
    assert (round(worst_error(models, 0.5), 3), round(worst_error(models, 0.7), 3)) == (half, share)


def test_false_pairs_of_the_table():
    # One-sided normal tail beyond 0.15, among 5 million pairs without influence.
    found = [5e6 * norm.sf(0.15 / worst_error(n, 0.5)) for n in (16, 64, 200, 500, 1000)]
    for value, expected in zip(found, [1.4e6, 575e3, 85e3, 2.0e3, 5], strict=True):
        assert value == pytest.approx(expected, rel=0.06)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**31))
def test_against_loops(models, count, tests, seed):
    rng = np.random.default_rng(seed)
    mask, correct, test = (rng.random((models, n)) < 0.5 for n in (count, count, tests))
    found, pairs = memorisation(mask, correct), influence(mask, test)
    for i in range(count):
        saw = mask[:, i]
        if saw.all() or not saw.any():
            assert np.isnan(found.values[i])
            continue
        p, q = correct[saw, i].mean(), correct[~saw, i].mean()
        assert found.values[i] == pytest.approx(p - q)
        assert -1 <= found.values[i] <= 1
        arms = correct[saw, i], correct[~saw, i]
        if min(map(len, arms)) < 2:
            assert np.isnan(found.errors[i])
        else:
            assert found.errors[i] ** 2 == pytest.approx(sum(np.var(arm, ddof=1) / len(arm) for arm in arms))
        for j in range(tests):
            assert pairs[i, j] == pytest.approx(test[saw, j].mean() - test[~saw, j].mean())


def halves(rng, pairs, count):
    return np.concatenate([[m, ~m] for m in (rng.permutation(count) < count // 2 for _ in range(pairs))])


def test_errors_and_group_intervals_cover_the_truth():
    # Truth: right with 0.9 if the image was seen, else with 0.4; a test image gains 0.3 from image 0 alone.
    rng = np.random.default_rng(1)
    truth, covered, group = [], 0, 0
    for _ in range(200):
        mask = halves(rng, 32, 10)
        correct = rng.random((64, 10)) < np.where(mask, 0.9, 0.4)
        found = memorisation(mask, correct)
        truth.append(np.abs(found.values - 0.5) < 1.96 * found.errors)
        test = rng.random((64, 3)) < np.where(mask[:, :1], 0.7, 0.4)
        interval = estimate(group_influence(mask, test, np.arange(10) == 0))
        group += interval.low < 0.9 < interval.high  # 3 test images, 0.3 each
        covered += 1
    assert 0.91 < np.mean(truth) < 0.98
    assert 0.9 < group / covered <= 1


def test_group_influence_is_the_mean_of_the_pairs():
    rng = np.random.default_rng(2)
    mask, test = halves(rng, 8, 12), rng.random((16, 5)) < 0.5
    members = np.arange(12) < 4
    expected = influence(mask, test)[members].sum(1).mean()
    assert group_influence(mask, test, members).mean() == pytest.approx(expected)
    assert np.isnan(group_influence(mask, test, np.zeros(12, dtype=bool))).all()


def test_members_without_an_estimate_do_not_count():
    rng = np.random.default_rng(5)
    mask, test = rng.random((16, 12)) < 0.5, rng.random((16, 5)) < 0.5
    mask[:, 0] = True
    mask[:, 1] = np.arange(16) == 6  # without the fourth pair nobody saw it
    others = (np.arange(12) < 4) & (np.arange(12) > 1)
    found = group_influence(mask, test, np.arange(12) < 4)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, group_influence(mask, test, others))
    assert np.isnan(group_influence(mask, test, np.arange(12) < 2)).all()
    assert np.isnan(group_influence(mask[:2], test[:2], others)).all()


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="one shape"):
        memorisation(MASK, TEST)
    with pytest.raises(ValueError, match="a row for each model"):
        influence(MASK, TEST[:3])


KINDS = {
    "lists": np.ndarray.tolist,
    "integers": lambda values: values.astype(int),
    "floats": lambda values: values.astype(np.float32),
    "torch": torch.from_numpy,
    "pandas": pd.DataFrame,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_array_gives_the_same(kind):
    rng = np.random.default_rng(3)
    mask, correct, members = halves(rng, 6, 8), rng.random((12, 8)) < 0.5, np.arange(8) < 3
    given = KINDS[kind]
    for found, expected in zip(memorisation(given(mask), given(correct)), memorisation(mask, correct), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(influence(given(mask), given(correct)), influence(mask, correct))
    marks = given(members) if kind != "pandas" else pd.Series(members)
    np.testing.assert_array_equal(
        group_influence(given(mask), given(correct), marks), group_influence(mask, correct, members)
    )


INDICES = [[0, 1], [0, 2], [1, 2], [0, 1]]  # of the images that the models of MASK saw


@pytest.mark.parametrize(
    ("mask", "correct", "message"),
    [
        (INDICES, TEST, "mask: give booleans or 0 and 1"),
        (2 * MASK - 1.0, MASK, "mask: give booleans or 0 and 1"),
        (np.where(MASK, 1, np.nan), MASK, "mask: 3 of 12 values are nan"),
        ([[0, 1], [0, 1, 2], [1], [2]], MASK, "mask: give real numbers"),
        (MASK, 57.0 * MASK, r"correctness: give booleans or shares in \[0, 1\]"),
        (MASK, 2.0 * MASK - 1, r"correctness: give booleans or shares in \[0, 1\]"),
        (MASK, np.where(MASK, np.inf, -np.inf), "correctness: 12 of 12 values are nan or infinite"),
        (MASK, np.where(MASK, 1, np.nan), "correctness: 3 of 12 values are nan"),
        (MASK[0], MASK[0], "mask: give a matrix"),
        (MASK[:, :, None], MASK, "mask: give a matrix"),
        (MASK[:0], MASK[:0], "a row for each model"),
    ],
    ids=["indices", "signs", "nan-mask", "ragged", "percent", "minus", "infinite", "nan", "one", "three", "none"],
)
@pytest.mark.parametrize("estimator", [memorisation, influence, lambda *given: group_influence(*given, [1, 0, 0])])
def test_the_domain_is_checked(estimator, mask, correct, message):
    with pytest.raises(ConfigError, match=message):
        estimator(mask, correct)


@pytest.mark.parametrize(
    ("rows", "members", "message"),
    [
        (4, [0, 2], "members: give booleans|an entry for each"),
        (4, [2, 0, 1], "members: give booleans or 0 and 1"),
        (4, [True, False], "an entry for each of the mask's 3 images"),
        (3, [True, False, True], "3 models: give pairs"),
    ],
    ids=["indices", "as-many-indices", "short", "odd"],
)
def test_a_group_is_marks_of_all_images(rows, members, message):
    with pytest.raises(ConfigError, match=message):
        group_influence(MASK[:rows], TEST[:rows], members)


@pytest.mark.parametrize(("models", "share"), [(0, 0.5), (1.5, 0.5), (-4, 0.5), (8, 0), (8, 1), (8, 50), (8, np.nan)])
def test_worst_errors_are_of_models_and_shares(models, share):
    with pytest.raises(ConfigError, match=r"models|share"):
        worst_error(models, share)
