"""Networks whose float32 copy fails, since they cast inside: measured in their own precision."""

import copy

import pytest
import torch
from torch import nn

from cotoolkit import attacks
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ModelError
from cotoolkit.evaluation import evaluate
from cotoolkit.intake.preparation import image_model
from tests._helpers.prepared_models import images, logits, net, subject, texts


class Casting(nn.Module):
    """A network in some precision that casts the images it gets, and its logits back."""

    def __init__(self, dtype):
        super().__init__()
        self.network, self.dtype = net().to(dtype), dtype

    def forward(self, x):
        return self.network(x.to(self.dtype)).float()


class Mixed(nn.Module):
    """A head of another precision, made before the body that gets the images."""

    def __init__(self, dtype):
        super().__init__()
        self.head, self.body, self.dtype = nn.Linear(10, 10).to(dtype), net(), dtype

    def forward(self, x):
        return self.head(self.body(x).to(self.dtype))


class Within(nn.Module):
    """A network in some precision throughout, which takes no float32 images, and casts on the way."""

    def __init__(self, dtype):
        super().__init__()
        self.first, self.second, self.dtype = nn.Conv2d(3, 4, 3).to(dtype), nn.Linear(144, 10).to(dtype), dtype

    def forward(self, x):
        return self.second(self.first(x).relu().flatten(1).to(self.dtype))


def test_where_memory_runs_out_nothing_is_said_of_casts():
    class Large(nn.Sequential):
        def forward(self, images):
            if images.dtype == torch.float32:
                raise torch.OutOfMemoryError("out of memory")
            return super().forward(images)

    with pytest.raises(ModelError, match=r"fails on images of shape \(1, 6, 6\): OutOfMemoryError: out of memory"):
        image_model(Large(nn.Flatten(), nn.Linear(36, 4)).bfloat16(), shape=(1, 6, 6))


@pytest.mark.parametrize("make", [Casting, Mixed, Within])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_a_network_that_casts_inside_is_measured_as_it_is(make, dtype):
    model = make(dtype).eval()
    found, findings = subject(model)
    assert found.network is model
    assert not found.copied
    x = images().to(dtype) if make is Within else images()
    assert torch.equal(logits(found, images()), logits(model, x).float())
    (text,) = texts(findings)
    assert "measured in its own precision" in text
    assert ("rounding hides small changes" in text) == (dtype == torch.bfloat16)
    assert {finding.kind for finding in findings} == {"warning" if dtype == torch.bfloat16 else "handled"}


def test_in_float64_it_gets_the_numbers_of_the_network_inside():
    x, threat = images(60), ThreatModel("8/255")
    labels = logits(net(), x).argmax(1)
    model = Casting(torch.float64)
    found = evaluate(model, x, labels, threat, "pgd-5-1")
    assert abs(found.accuracy.value - evaluate(net(), x, labels, threat, "pgd-5-1").accuracy.value) <= 0.02
    assert attacks.fgsm(model, x, labels, threat).delta.dtype == torch.float32
    assert all(parameter.dtype == torch.float64 for parameter in model.parameters())


def test_a_copy_in_float32_that_works_is_still_what_is_measured():
    found, findings = subject(copy.deepcopy(net()).double())
    assert found.copied
    assert "a copy of the model in float32" in findings[0].text


def test_where_the_network_fails_too_both_failures_are_told():
    with pytest.raises(ModelError, match=r"to have 3 channels.*float32 copy, made .* are float64, fails") as e:
        subject(Casting(torch.float64), shape=(4, 8, 8))
    assert "\n" not in str(e.value)
    with pytest.raises(ModelError, match="to have 3 channels") as e:
        subject(net().double(), shape=(4, 8, 8))
    assert "float32 copy" not in str(e.value)


SIGNALS = torch.rand(30, 2, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Conv1d(2, 4, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3)),
        lambda: nn.Sequential(nn.Linear(20, 3)),
    ],
    ids=["fails", "returns no logits"],
)
def test_an_axis_that_was_added_to_signals_is_told(make):
    labels = torch.arange(30) % 3
    with pytest.raises(ModelError, match=r"\(N, 2, 20\) .* an axis is added, \(N, 1, 2, 20\).*forward=") as caught:
        evaluate(make(), SIGNALS, labels, ThreatModel(0.1), "clean")
    assert "\n" not in str(caught.value)


def test_the_way_around_an_added_axis_works():
    model = nn.Sequential(nn.Conv1d(2, 4, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3))
    found, _ = subject(model, shape=(1, 2, 20), classes=3, forward=lambda model, images: model(images.squeeze(1)))
    assert torch.equal(logits(found, SIGNALS.unsqueeze(1)), logits(model, SIGNALS))


def test_three_channels_are_told_of_no_axis():
    with pytest.raises(ModelError) as caught:
        subject(net(), shape=(4, 8, 8))
    assert "axis" not in str(caught.value)
