"""Gradients with nan in them, and outputs that are no numbers: named, and no verdict on what nobody measured."""

import pytest
import torch
from torch import nn

from cotoolkit import ThreatModel, diagnose
from cotoolkit.evaluation import evaluate
from cotoolkit.intake.preparation import image_model
from tests._helpers.small_budget import SMALL_BUDGET

RADIUS = 0.05
"""A third of that of the training, at which no attack is in doubt."""


class Rooted(nn.Module):
    """The same function of [0, 1], whose gradient is nan where a pixel is 0."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(torch.sqrt(images * images))


class NanThroughout(nn.Module):
    """The same function, whose gradient is nan everywhere."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images + torch.sqrt((0 * images).sum((1, 2, 3), keepdim=True)))


class Broken(nn.Module):
    """Outputs that are nan for images from a mean on; without a gradient there, or with one that is nan."""

    def __init__(self, network, least, *, cut=True):
        super().__init__()
        self.network, self.least, self.cut = network, least, cut

    def forward(self, images):
        logits = self.network(images)
        broken = (images.mean((1, 2, 3)) >= self.least)[:, None]
        return torch.where(broken, torch.nan if self.cut else torch.nan * logits, logits)


def diagnosed(trained, model):
    data = (trained.images, trained.labels)
    return diagnose(model.eval(), data, epsilon=RADIUS, budget=SMALL_BUDGET, device="cpu")


def texts(found):
    return " ".join(finding.text for finding in found.findings)


def test_a_few_nan_in_the_gradient_change_no_verdict_and_are_named(robust):
    plain, rooted = diagnosed(robust, robust.model), diagnosed(robust, Rooted(robust.model))
    assert rooted.verdict.label == plain.verdict.label == "robust"
    assert rooted.measurements.masking.zero_gradients.value == 0
    assert rooted.measurements.masking.median_gradient > 0
    assert rooted.measurements.masking.nan_gradients.value > 0.9  # digits have a black pixel
    assert plain.measurements.masking.nan_gradients.value == 0
    assert "nan in gradients" in rooted.verdict.reason
    assert "have nan in their gradient, which attacks take for zero" in texts(rooted)
    assert "nan" not in texts(plain)


def test_a_gradient_of_nothing_but_nan_is_masking_and_the_reason_says_of_what(robust):
    found = diagnosed(robust, NanThroughout(robust.model))
    assert found.verdict.label == "gradient masking (other)"
    assert "gradients are zero, or nan, which attacks take for zero" in found.verdict.reason


def test_an_evaluation_names_nan_in_the_gradient_too(robust, caplog):
    evaluate(Rooted(robust.model), robust.images, robust.labels, ThreatModel(RADIUS), "pgd-1")
    assert "have nan in their gradient: attacks take such entries for zero" in caplog.text


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("share", [0.4, 1.0])
def test_outputs_that_are_no_numbers_are_counted_and_decide_nothing(share, cut, robust):
    least = float(robust.images.mean((1, 2, 3)).quantile(1 - share))
    found = diagnosed(robust, Broken(robust.model, least, cut=cut))
    count = round(found.measurements.masking.broken_outputs * 180)
    assert count / 180 == pytest.approx(share, abs=0.1)
    assert (found.verdict.label, found.verdict.confidence) == ("inconclusive", "low")
    assert f"nan or infinite on {count} of 180 points" in found.verdict.reason
    assert "mend it" in found.verdict.advice
    assert f"the outputs for {count} of 180 points are nan or infinite" in texts(found)
    assert "the gradient of the model's outputs is zero" not in texts(found)


def test_a_few_outputs_that_are_no_numbers_take_confidence(robust):
    least = float(robust.images.mean((1, 2, 3)).sort().values[-5])
    found = diagnosed(robust, Broken(robust.model, least))
    assert found.verdict.label == "robust"
    assert found.verdict.confidence != "high"
    assert "nan or infinite on" in found.verdict.reason


def test_random_images_whose_outputs_are_no_numbers_are_named():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    found = image_model(Broken(model, 0.0), shape=(1, 8, 8))
    assert [finding.text for finding in found.findings] == ["the outputs for 2 of 2 random images are nan or infinite"]
