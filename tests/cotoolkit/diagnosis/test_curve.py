"""The security curve of a linear network, whose accuracies have a closed form."""

import pytest
import torch

from cotoolkit.core.errors import ConfigError
from cotoolkit.diagnosis.curve import SecurityCurve, security_curve
from tests._helpers.measured import share
from tests._helpers.networks import Linear

WEIGHT = torch.tensor([0.7, -1.3, 0.4, 1.1])
RADII = (0.02, 0.05, 0.1, 0.2)


def test_a_linear_network_falls_where_its_margin_ends():
    images = 0.3 + 0.4 * torch.rand(60, 1, 2, 2, generator=torch.Generator().manual_seed(1))  # no box is met
    model = Linear(WEIGHT)
    scores = images.flatten(1) @ WEIGHT
    labels = (scores > 0).long()
    labels[::10] = 1 - labels[::10]
    signed = torch.where(labels == 1, scores, -scores)
    found = security_curve(model, (images, labels), radii=RADII, attacks=("fgsm", "pgd-10"), device="cpu")
    for place, radius in enumerate((0.0, *RADII)):
        expected = float((signed > radius * WEIGHT.abs().sum()).float().mean())
        assert found.left[place].value == pytest.approx(expected, abs=1e-6)
        assert found.accuracy["fgsm"][place].value == pytest.approx(expected, abs=1e-6)


def curve():
    rates = tuple(share(value, 100) for value in (0.8, 0.6, 0.2))
    return SecurityCurve(radii=(0.0, 0.1, 0.4), accuracy={"fgsm": rates}, left=rates)


def test_area_and_radius_by_hand():
    # (0.1 * 0.7 + 0.3 * 0.4) / 0.4
    assert curve().area() == curve().area("fgsm") == pytest.approx(0.475)
    assert curve().radius_of(0.4) == pytest.approx(0.25)  # halfway from 0.6 to 0.2
    assert curve().radius_of(0.9) == 0
    assert curve().radius_of(0.1) is None
    assert len(curve().table()) == 6


def test_what_is_left_never_rises_where_fgsm_does(overfitted):
    found = security_curve(
        overfitted.model, (overfitted.images, overfitted.labels),
        radii=(0.05, 0.1, 0.15, 0.2, 0.25), attacks=("fgsm", "pgd-3"), points=64, device="cpu",
    )  # fmt: skip
    left = [rate.value for rate in found.left]
    assert left == sorted(left, reverse=True)
    fgsm = [rate.value for rate in found.accuracy["fgsm"]]
    assert fgsm != sorted(fgsm, reverse=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radii": (0.2, 0.1)}, "growing"),
        ({"radii": ()}, "growing"),
        ({"attacks": ("clean",)}, "at least one"),
        ({"attacks": ("pdg-10",)}, "unknown evaluation protocol"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    images, labels = torch.rand(4, 1, 2, 2), torch.tensor([0, 1, 0, 1])
    with pytest.raises(ConfigError, match=message):
        security_curve(Linear(WEIGHT), (images, labels), device="cpu", **options)
