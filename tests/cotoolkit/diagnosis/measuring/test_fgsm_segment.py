import pytest
import torch
from torch import nn

from cotoolkit.attacks.gradient import fgsm
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.diagnosis.measuring.fgsm_segment import fgsm_sweep, segment
from cotoolkit.evaluation.protocol import run_protocol
from tests._helpers.networks import conv_net


class Valley(nn.Module):
    """Two classes by one pixel: label 1 below 0.35 and above 0.65."""

    def forward(self, images):
        score = (images.flatten(1)[:, 0] - 0.5).square() - 0.15**2
        return torch.stack([torch.zeros_like(score), 20 * score], 1)


def test_the_sweep_is_fgsm_at_every_radius():
    model = conv_net().eval()
    draws = torch.Generator().manual_seed(0)
    images, labels = torch.rand(11, 1, 6, 6, generator=draws), torch.randint(4, (11,), generator=draws)
    found = fgsm_sweep(model, images, labels, ThreatModel(0.1), (0.5, 1.0, 3.0), batch_size=4)
    assert torch.equal(found.clean, model(images).argmax(1) == labels)
    for multiple, correct in zip((0.5, 1.0, 3.0), found.correct, strict=True):
        alone = run_protocol(model, images, labels, ThreatModel(0.1 * multiple), "fgsm")
        assert torch.equal(correct, alone.correct)


def test_a_valley_between_right_ends_is_distortion_by_hand():
    """From 0.3 the step of 0.5 lands at 0.8: right at both ends, wrong from 0.35 to 0.65, that is from 0.1 to 0.7."""
    images, labels = torch.full((1, 1, 1, 1), 0.3), torch.tensor([1])
    found = segment(Valley(), images, labels, ThreatModel(0.5), torch.full((1, 1, 1, 1), 0.5), samples=6)
    assert found.fractions == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1, 1.5, 2])
    assert found.accuracy == (1, 0, 0, 0, 0, 1, 1, 1, 1)
    assert found.boundary_distortion.value == found.distorted.value == 1
    assert found.smallest_fooling_fraction.value == pytest.approx(1 / 3)
    loss = found.median_loss
    assert loss[0] < loss[3] > loss[6]
    assert loss[6] < loss[0]  # 0.3 from the middle, and 0.2 at the image
    assert found.abnormal.value == 1


def test_a_batch_at_a_time_gives_the_same_segment():
    draws = torch.Generator().manual_seed(0)
    images, labels = torch.rand(11, 1, 1, 1, generator=draws), torch.randint(2, (11,), generator=draws)
    delta = torch.randint(2, images.shape, generator=draws) * 0.4 - 0.2
    whole, parts = (segment(Valley(), images, labels, ThreatModel(0.2), delta, 6, size) for size in (11, 4))
    assert whole == parts
    assert 0 < whole.abnormal.value < 1


def test_beyond_the_example_the_box_holds():
    model = Valley()
    seen = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].max().item()))
    segment(model, torch.full((1, 1, 1, 1), 0.3), torch.tensor([1]), ThreatModel(0.5), torch.full((1, 1, 1, 1), 0.5), 3)
    assert max(seen) == 1


def test_points_wrong_from_the_start_say_nothing():
    images, labels = torch.full((2, 1, 1, 1), 0.5), torch.tensor([1, 1])
    found = segment(
        Valley(), images, labels, ThreatModel(0.1), fgsm(Valley(), images, labels, ThreatModel(0.1)).delta, 3
    )
    assert found.boundary_distortion is None
    assert found.smallest_fooling_fraction is None
    assert found.distorted.value == 0
