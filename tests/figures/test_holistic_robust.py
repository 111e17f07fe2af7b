"""What the recipes on Holistic Robust training compute by themselves, and what they train."""

import io

import numpy as np
import pandas as pd
import pytest

from figures.holistic_robust import certificate, weights
from figures.holistic_robust.plan import PLANS


def test_alpha_alone_moves_the_weight_of_the_smallest_losses_to_the_largest():
    found = weights.by_rank(0.0, 0.05, "lp_then_kl", 0)
    moved = 0.05 * weights.BATCH  # 6.4 samples' worth
    expected = np.ones(weights.BATCH)
    expected[:6], expected[6], expected[-1] = 0, 0.6, 1 + moved
    assert found["weight"].to_numpy() == pytest.approx(expected, abs=1e-9)
    assert found["effective"].iloc[0] == pytest.approx(weights.BATCH / np.sum(expected**2))


def test_weights_attain_the_worst_case_within_the_radius(monkeypatch):
    """Both orders agree without alpha; p = lambda / (eta - l) with the divergence used up, found by another search."""
    monkeypatch.setattr(weights, "DRAWS", 20)
    r, n = 0.2, weights.BATCH
    ratios = []
    for row in np.random.default_rng(1).lognormal(0.0, weights.SPREAD, (weights.DRAWS, n)):
        low, high = row.max() * (1 + 1e-9), row.max() * 1e3
        for _ in range(100):
            middle = (low * high) ** 0.5
            p = 1 / (middle - row)
            spent = -np.log(n * p / p.sum()).mean()
            low, high = (middle, high) if spent > r else (low, middle)
        ratios.append((row * p / p.sum()).sum() / row.mean())
    for order in weights.ORDERS:
        found = weights.by_rank(r, 0.0, order, 1)
        assert found["ratio"].iloc[0] == pytest.approx(np.mean(ratios), rel=1e-4)
        assert found["weight"].mean() == pytest.approx(1)


def test_the_certificate_is_judged_by_its_worst_case():
    """One law at one level is violated too often with one seed of three; the others never."""
    rows = [
        {"kind": "coverage", "seed": seed, "delta": delta, "violated": 0.0, "bare_violated": 0.0}
        for seed in range(3)
        for delta in (0.05, 0.2)
    ]
    rows[0] |= {"violated": 0.5}
    results = {result.claim.key: result for result in certificate.claims(pd.DataFrame(rows))}
    assert results["valid"].found.mean == pytest.approx((0.45 - 0.05 - 0.05) / 3)
    assert results["conservative"].found.mean == pytest.approx(10 / 3)
    assert results["bare_not_shown"].verdict == "holds"


def test_a_part_trains_its_own_runs():
    plan = PLANS["smoke"]
    parts = {name: {run.identity for run in plan.study(name).runs()} for name in plan.parts()}
    assert {name: len(runs) for name, runs in parts.items()} == {"overfitting": 9, "onset": 12, "poison": 12}
    assert set.union(*parts.values()) == {run.identity for run in plan.study().runs()}


def test_breaks_are_read_from_the_stored_table():
    from figures.holistic_robust import onset

    plan = PLANS["smoke"].onset
    rows = [
        {"kind": "run", "arm": arm, "seed": seed, "broke": seed > 0, "time": 100 + 10 * place + seed, "value_fgsm": 0.1}
        | {"mean_robust": 0.2 + 0.01 * seed}
        for place, arm in enumerate(plan.arms())
        for seed in plan.seeds
    ]
    weights_around = [
        {"kind": "weight", "arm": "HR r=0.2", "seed": seed, "offset": -10.0, "signal": signal, "value": value}
        for seed in plan.seeds
        for signal, value in (("abnormal_weight", 0.1), ("abnormal_share", 0.3 + 0.01 * seed))
    ]
    text = pd.DataFrame([*rows, *weights_around]).assign(scale="smoke").to_csv(index=False)
    found = {one.claim.key: one for one in onset.claims(pd.read_csv(io.StringIO(text)))}
    assert found["delays_plain"].found.mean == pytest.approx(10)
    assert found["delays_permuted"].found.mean == pytest.approx(-10)
    assert found["value_stops_bounding"].found.n == 2
    assert all(one.claim.source.startswith("ours") for one in found.values())
