import math

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.holistic_robust.certificate import by_size, certificate_radius, certify, reported, simulated_coverage
from cotoolkit.core.errors import ConfigError


@pytest.mark.parametrize(
    ("points", "delta", "radius", "bound"),
    [
        (1_000, 0.05, 0.00990, 0.570),
        (10_000, 0.05, 0.00122, 0.5247),
        (10_000, 0.01, 0.00138, 0.5263),
        (50_000, 0.05, 0.000276, 0.5118),
    ],
)
def test_the_table_of_the_specification(points, delta, radius, bound):
    assert certificate_radius(points, delta) == pytest.approx(radius, rel=5e-3)
    if points <= 10_000:
        row = by_size(0.5, (points,), delta).iloc[0]
        assert row["bound"] == pytest.approx(bound, abs=5e-4)
    # the Bernoulli divergence of observed and bounded error is the radius
    assert -0.5 * math.log(4 * bound * (1 - bound)) == pytest.approx(radius, rel=0.03)


def test_the_observed_error_is_that_of_whole_errors():
    assert by_size(0.0005, (1000, 3))["observed error"].tolist() == [0, 0]
    assert by_size(0.5, (3,))["observed error"].item() == pytest.approx(2 / 3)


def test_models_certified_together_share_the_error_probability():
    assert certificate_radius(500, 0.05, models=10) == pytest.approx(certificate_radius(500, 0.005))
    with pytest.raises(ValueError, match="give at least one point"):
        certificate_radius(0, 0.05)


def test_a_certificate_allows_for_poison():
    losses = np.random.default_rng(0).beta(0.5, 2, 300)
    plain, careful = (certify(losses, 0.05, 1.0, alpha=alpha) for alpha in (0.0, 0.1))
    assert plain.mean == pytest.approx(losses.mean())
    assert losses.mean() < plain.value < careful.value < 1
    poisoned = np.sort(losses)  # the adversary hides 10 % of the losses
    poisoned[-30:] = 0
    assert certify(poisoned, 0.05, 1.0, alpha=0.1).value > losses.mean()


def test_coverage_holds_with_the_constant_and_not_always_without():
    table = simulated_coverage(300)
    assert (table["violated"] <= table["delta"]).all()
    assert table["violated"].max() <= 0.01  # 2000 repetitions gave at most 0.0005
    assert table["bare_violated"].max() > 0
    assert (table["bare_violated"] >= table["violated"]).all()
    assert len(table) == 12


def test_the_report_says_what_it_must():
    losses = np.random.default_rng(0).beta(0.5, 2, 300)
    text = reported(
        certify(losses, 0.05, 10.0),
        loss="cross-entropy clipped at 10",
        threat="linf 0.1",
        attack="pgd-20",
        alpha=0.0,
        bound=10.0,
        train_mean=0.1,
        nominal=1.0,
        test_mean=0.3,
        training_r=0.1,
        training_points=1000,
    )
    for part in (
        "W = 10",
        "linf 0.1",
        "nominal",
        "delta = 0.05",
        "held-out",
        "computed with attack pgd-20",
        "verifier",
    ):
        assert part in text


LOSSES = np.array([0.25, 0.5, 0.125, 1.0, 0.0])


@pytest.mark.parametrize(
    "given",
    [
        LOSSES.tolist(),
        torch.tensor(LOSSES, dtype=torch.float16),
        torch.tensor(LOSSES, dtype=torch.bfloat16),
        torch.tensor(LOSSES, requires_grad=True),
        pd.Series(LOSSES, index=[7, 8, 9, 1, 0]),
    ],
    ids=["list", "half", "bfloat16", "with-gradient", "pandas"],
)
def test_every_kind_of_losses_gives_the_same(given):
    assert certify(given, 0.05, 1.0) == certify(LOSSES, 0.05, 1.0)


@pytest.mark.parametrize(
    ("losses", "fields", "message"),
    [
        (LOSSES[:, None], {}, r"one number for each point, of shape \(N,\), not an array of shape \(5, 1\)"),
        (LOSSES[None], {}, r"not an array of shape \(1, 5\)"),
        (0.5, {}, r"not an array of shape \(\)"),
        ([], {}, "give at least one"),
        ([0.5, math.nan], {}, "nan or infinite"),
        ([0.5, math.inf], {}, "nan or infinite"),
        (["a"], {}, "real numbers"),
        (LOSSES * 2, {}, "above the bound 1"),
        (LOSSES, {"bound": math.nan}, "give a finite"),
        (LOSSES, {"bound": None}, "bound"),
        (LOSSES, {"delta": 95}, "between 0 and 1"),
        (LOSSES, {"delta": 0}, "between 0 and 1"),
        (LOSSES, {"alpha": 5}, "alpha"),
        (LOSSES, {"alpha": math.nan}, "alpha"),
        (LOSSES, {"models": 0}, "models"),
        (LOSSES, {"models": 1.5}, "models"),
    ],
)
def test_what_cannot_be_certified_is_one_line(losses, fields, message):
    with pytest.raises(ConfigError, match=message) as caught:
        certify(losses, **{"delta": 0.05, "bound": 1.0, **fields})
    assert "\n" not in str(caught.value)
