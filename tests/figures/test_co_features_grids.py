"""What the co_features recipes compute besides the runs' own accuracies."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from figures.co_features import box_modes, controls, methods, orthogonal, shortcut
from figures.co_features.box_modes import window
from figures.co_features.controls import matched_betas, matched_filter_snr
from figures.co_features.l2 import radius
from figures.co_features.orthogonal import removed_energy
from figures.co_features.setups.grid_points import boxed, broken_runs, few_betas
from figures.co_features.setups.setup import SETUPS
from figures.co_features.shortcut import Linear, whitened_classifier, worst_case_accuracy
from figures.co_features.sources import digits16, unrelated_digits

SMOKE = SETUPS["smoke"]


def test_the_two_orders_of_the_box_agree_up_to_beta_epsilon_and_not_beyond() -> None:
    draws = torch.Generator().manual_seed(0)
    clean = torch.rand(64, 1, 8, 8, generator=draws).round(decimals=1)  # some pixels at 0 and at 1
    delta = torch.rand(64, 1, 8, 8, generator=draws) * 2 - 1
    for beta, equal in ((0.0, True), (0.15, True), (0.25, True), (0.4, False)):
        images = clean + beta * (torch.rand(clean.shape, generator=draws) < 0.5).float().mul(2).sub(1)
        sound, released = (
            ThreatModel(0.25, box=box).project(images, delta) for box in ("box_then_eps", "eps_then_box")
        )
        assert torch.allclose(sound, released, atol=1e-6) == equal


def test_broken_means_below_half_of_the_same_seed() -> None:
    robust = pd.DataFrame({0.1: [0.24, 0.41], 0.2: [0.26, 0.39]}, index=[0, 1])
    found = broken_runs(robust, pd.Series([0.5, 0.8], index=[0, 1]))
    assert found.to_numpy().tolist() == [[True, False], [False, True]]


def test_window_edges() -> None:
    found = pd.DataFrame([[False, True, True], [False, False, False]], index=[3, 4], columns=[0.1, 0.2, 0.4])
    edges = window(found)
    assert edges.loc[[3]].to_numpy().tolist() == [[0.2, 0.4]]
    assert np.isnan(edges.loc[[4]].to_numpy()).all()


def test_strengths_are_those_of_figure_1() -> None:
    assert few_betas(SMOKE, 0, 2 / 3, 1, 5 / 3) == (0.0, 0.1, 0.15, 0.25)
    assert set(few_betas(SETUPS["paper"], 0, 2 / 3, 1, 5 / 3)) <= set(SETUPS["paper"].betas)


@pytest.mark.parametrize("module", [orthogonal, box_modes, methods, controls, shortcut])
def test_plain_cells_share_the_runs_of_figure_1(module) -> None:  # type: ignore[no-untyped-def]
    ours = {run.identity for study in module.STUDIES["smoke"] for run in study.runs()}
    plain = SMOKE.arm(method=SMOKE.pgd) if module is shortcut else SMOKE.arm(0.0)
    assert SMOKE.config(plain, 0).identity in ours


def test_the_worlds_own_box_is_not_set_again() -> None:
    assert boxed(SMOKE, "none") == {}
    assert boxed(SMOKE, "box_then_eps") == {"box": "box_then_eps"}


def test_removed_energy_by_hand() -> None:
    images = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)
    assert removed_energy(images, torch.tensor([3.0, 0.0]).view(1, 1, 1, 2)) == pytest.approx(16 / 25)


def test_matched_filter_snr_by_hand() -> None:
    # Along (1, 1) / sqrt 2 the projections are sqrt 2 * (0, 2, 4): spread 2 sqrt 2; ||v|| = sqrt 2.
    images = torch.tensor([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]]).view(3, 1, 1, 2)
    vectors = torch.ones(1, 1, 1, 2)
    assert matched_filter_snr(images, vectors) == pytest.approx(0.5)
    assert matched_filter_snr(images, 3 * vectors) == pytest.approx(1.5)  # a longer feature stands out more


def test_matched_strengths_are_smaller_where_the_images_are_quieter() -> None:
    betas = matched_betas(SMOKE)
    assert betas["high"] < SMOKE.beta  # digits have little energy at high frequencies


def test_whitened_classifier_is_linear_discriminant_analysis() -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    draws = np.random.default_rng(0)
    labels = np.arange(300) % 3
    images = draws.normal(size=(300, 4)) @ draws.normal(size=(4, 4)) + np.eye(3, 4)[labels]
    ours = whitened_classifier(images, labels, np.zeros((3, 4)), ridge=0.0)
    reference = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3).fit(images, labels)
    scores = images @ ours.weights.T + ours.bias
    assert (scores.argmax(1) == reference.predict(images)).all()


def test_worst_case_accuracy_matches_trying_all_corners() -> None:
    draws = np.random.default_rng(1)
    linear = Linear(draws.normal(size=(3, 4)), draws.normal(size=3))
    images = draws.normal(size=(200, 4))
    labels = (images @ linear.weights.T + linear.bias).argmax(1)
    corners = np.array(list(itertools.product((-0.2, 0.2), repeat=4)))  # a linear score is extreme in a corner
    attacked = (images[:, None] + corners) @ linear.weights.T + linear.bias
    expected = (attacked.argmax(2) == labels[:, None]).all(1).mean()
    assert 0 < expected < 1
    assert worst_case_accuracy(linear, images, labels, 0.2) == pytest.approx(expected)
    assert worst_case_accuracy(linear, images, labels, 0.0) == 1


def test_the_l2_radius_lies_between_the_balls_inside_and_around() -> None:
    assert radius(SMOKE) == 0.25 * 8 / 2


def test_enlarged_digits_keep_their_mean_and_labels() -> None:
    from cotoolkit.data import DATASETS

    images, labels = digits16(train=False)
    _, own = DATASETS["digits"]().read(download=False)
    assert images.shape == (360, 1, 16, 16)
    assert images.dtype == torch.uint8
    assert torch.equal(labels, own.labels)
    assert images.float().mean() == pytest.approx(own.images.float().mean().item(), abs=1)


def test_unrelated_labels_keep_their_shares_and_say_nothing() -> None:
    from cotoolkit.data import DATASETS

    images, labels = unrelated_digits(train=True)
    own, _ = DATASETS["digits"]().read(download=False)
    assert torch.equal(images, own.images)
    assert torch.equal(labels.bincount(), own.labels.bincount())
    assert (labels == own.labels).float().mean() < 0.15
