from __future__ import annotations

import itertools

import numpy as np
import pytest

from figures.co_features.shortcut import Linear, whitened_classifier, worst_case_accuracy


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
