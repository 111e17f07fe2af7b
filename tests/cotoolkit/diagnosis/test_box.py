"""Attacks of a diagnosis keep to the range of the pixels as its box says."""

import pytest
import torch
from torch import nn

from cotoolkit import diagnose
from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.diagnosis.schema import Diagnosis


class Edge(nn.Module):
    """Right while the first pixel is nearer than 0.6 to 0.5: at 0 and 1 only steps out of [0, 1] fool it."""

    def forward(self, images):
        first, label = images.flatten(1).T
        right = 6 - 10 * (first - 0.5).abs()
        sides = 2 * nn.functional.one_hot(label.round().long().clamp(0, 1), 2) - 1
        return right[:, None] * sides


@pytest.mark.parametrize(("box", "robust"), [("box_then_eps", True), ("eps_then_box", True), ("none", False)])
def test_attacks_keep_to_the_box_that_is_named(box, robust):
    labels = torch.arange(60) % 2
    images = torch.stack([(torch.arange(60) // 2 % 2).float(), labels.float()], 1).view(-1, 1, 1, 2)
    found = diagnose(Edge(), (images, labels), epsilon=0.2, box=box, budget="quick", device="cpu")
    seen = found.measurements
    assert seen.clean.accuracy.value == 1
    assert {seen.fgsm_at(1, 0.2).accuracy.value, seen.pgd.accuracy.value, seen.hardest.value} == {float(robust)}
    assert Diagnosis.model_validate_json(found.to_json()).protocol.box == box


def test_images_out_of_the_range_need_the_box_none():
    images, labels = torch.tensor([[-0.15, 0.0], [1.15, 1.0]] * 30).view(-1, 1, 1, 2), torch.arange(60) % 2
    with pytest.raises(DataError, match="box"):
        diagnose(Edge(), (images, labels), epsilon=0.02, budget="quick", device="cpu")
    found = diagnose(Edge(), (images, labels), epsilon=0.02, box="none", budget="quick", device="cpu")
    assert found.measurements.clean.accuracy.value == 0
    with pytest.raises(ConfigError, match="AutoAttack never leaves the bounds"):
        diagnose(Edge(), (images, labels), epsilon=0.02, box="none", budget="quick", device="cpu", autoattack=True)
