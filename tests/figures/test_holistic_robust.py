"""What the recipes on Holistic Robust training compute by themselves, and what they train."""

import numpy as np
import pandas as pd
import pytest

from analyses.core.study import Findings
from figures.holistic_robust import bounds, certificate, onset, shares, survival, weights
from figures.holistic_robust.data import GALLERY_PLANS
from figures.records.files import as_stored


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
    results = {result.claim.key: result for result in certificate.CLAIMS(pd.DataFrame(rows))}
    assert set(results) == {"conservative", "bare_not_shown"}
    assert results["conservative"].found.mean == pytest.approx(10 / 3)
    assert results["bare_not_shown"].found.mean == pytest.approx(-0.05)


def test_a_recipe_trains_its_own_part():
    plan = GALLERY_PLANS["digits"]
    parts = {name: {run.identity for run in plan.part(name).study().runs()} for name in plan.groups}
    assert {name: len(runs) for name, runs in parts.items()} == {"overfitting": 30, "onset": 40, "poison": 40}
    assert [run.identity for study in onset.RECIPE.at("digits") for run in study.runs()] == list(
        dict.fromkeys(run.config.identity for run in plan.runs(["onset"]))
    )


def onset_findings(broke=lambda seed: seed > 0) -> Findings:
    """Seed 0 does not break; on the others HR breaks 10 iterations after FGSM and 10 before permuted weights."""
    plan = GALLERY_PLANS["digits"].part("onset")
    rows = [
        {"arm": run.arm, "seed": run.seed, "verdict": "", "broke": broke(run.seed), "iterations": 480}
        | {"time": 100 + 10 * place + run.seed if broke(run.seed) else 480, "clean": 0.9, "pgd-50": 0.1}
        | {"value_fgsm": 0.1, "mean_robust": 0.2 + 0.01 * run.seed}
        for run in plan.runs()
        for place in [list(plan.groups["onset"].arms).index(run.arm)]
    ]
    around = [
        {"arm": "HR r=0.2", "seed": seed, "offset": -10.0, "signal": signal, "value": value}
        for seed in range(3)
        for signal, value in (("abnormal_weight", 0.1), ("abnormal_share", 0.3 + 0.01 * seed))
    ]
    return Findings(plan, {"onsets": pd.DataFrame(rows), "weights": pd.DataFrame(around)}, {})


def test_breaks_are_read_from_the_stored_table():
    findings = onset_findings()
    delays, others = (
        {one.claim.key: one for one in recipe.claims(as_stored(recipe.of_findings(findings)))}
        for recipe in (survival.RECIPE, onset.RECIPE)
    )
    seeds = len(findings.plan.groups["onset"].seeds)
    later = 10 * (seeds - 1) / seeds  # none in seed 0
    assert delays["delays_plain"].found.mean == pytest.approx(later)
    assert delays["delays_permuted"].found.mean == pytest.approx(-later)
    assert others["value_stops_bounding"].found.n == seeds - 1
    assert others["abnormal_lose_weight"].found.mean == pytest.approx(-0.21)
    assert not set(delays) & set(others)
    assert "delays_inverse" not in others
    assert all(one.claim.source.startswith("ours") for one in [*delays.values(), *others.values()])


def test_survival_curves_end_where_training_ends():
    findings = onset_findings()
    data = as_stored(survival.RECIPE.of_findings(findings))
    figure = survival.draw(data)
    figure.draw_without_rendering()
    axes = figure.axes
    assert [axis.get_title() for axis in axes] == ["controls of HR r=0.2", "more controls"]
    for line in axes[0].lines:
        assert line.get_xdata()[-1] == 480
        assert line.get_ydata()[-1] == pytest.approx(1 / len(findings.plan.groups["onset"].seeds), abs=0.02)
    words = "What HR r=0.2 does to the break, in the words fixed before the runs:"
    assert figure.get_suptitle().startswith(f"{words} explained by effective batch or step size")
    never = survival.draw(as_stored(survival.RECIPE.of_findings(onset_findings(broke=lambda seed: False))))
    never.draw_without_rendering()
    assert never.get_suptitle().startswith(f"{words} not testable here")


@pytest.fixture
def ends() -> pd.DataFrame:
    """The nominal bound of HR holds for all seeds, with the largest loss as W for some."""
    rows = [
        {"arm": f"{name}, {share:.0%}", "share": share, "r": r, "seed": seed, "G4": 0.1, "n_G5": 3.0}
        | {"test_accuracy": 0.5, "train_robust": 0.4, "test_robust": 1.0, "G6": 0.5, "G6_seen": seed - 1.0, "G5": 0.1}
        | {"loss_certificate": 2.0, "loss_held": 1.0, "error_certificate": 0.7, "error_held": 0.8}
        | {
            "certified_points": 50,
            "certified_mean": 0.9,
            "train_points": 100,
            "train_clipped": 0.4,
            "test_clipped": 0.8,
        }
        for share in (0.25, 1.0)
        for name, r in (("standard", None), ("AT", 0.0), ("HR r=0.05", 0.05), ("HR r=0.2", 0.2))
        for seed in range(3)
    ]
    return as_stored(pd.DataFrame(rows).assign(kind="end", scale="laptop"))


def test_bounds_are_marked_by_whether_they_hold_and_one_is_reported_in_full(ends):
    figure = bounds.draw(ends)
    figure.draw_without_rendering()
    nominal, seen, certified, error = figure.axes
    assert len(nominal.lines) == 6 + 1  # arms, and the line at 0
    assert [axis.lines[0].get_marker() for axis in (nominal, seen, certified, error)] == ["o", "X", "o", "X"]
    text = " ".join(figure.get_supxlabel().split())
    assert "HR r=0.2, 25%, seed 0" in text
    assert "100 training points: 0.4;" in text  # all of the clipped losses
    assert "(nominal): 1.3;" in text
    assert "mean on test data: 0.8." in text
    assert "the inner maximum is exact or over-estimated" in text


def test_standard_training_is_drawn_where_its_own_loss_is_meant(ends):
    figure = shares.draw(ends)
    figure.draw_without_rendering()
    radius, best, accuracy = figure.axes
    labels = radius.get_legend_handles_labels()[1]
    assert labels == ["AT", "HR, r = 0.2", "HR, r = 0.05", "standard (its clean losses)"]
    assert len(best.lines) == len(accuracy.lines) == len(radius.lines) * 3 // 4
