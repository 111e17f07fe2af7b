"""The analyses of mixtures as people call them, and the trusted functions behind them."""

import pytest
import torch
from torch import nn

from analyses import mixtures
from analyses.mixtures import edits
from analyses.mixtures.statistics import sensitivity
from analyses.mixtures.units import hidden_units

MEAN, STD = 0.4, 0.3


def small(seed, dtype=torch.float32):
    """Batch norm with a history, in training mode."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 3))
    model(torch.rand(8, 1, 6, 6))
    return model.to(dtype)


def direction():
    u = torch.arange(1.0, 10)
    return u / u.norm()


def shifted(images):
    return (images + 0.2 * torch.arange(6.0) / 6).to(images)


ENTRANCES = {
    "units": lambda m, r, x, **o: mixtures.units_of(m, x, **o)["0"].weight,
    "moments": lambda m, r, x, **o: mixtures.second_moments(m, x, moved(x, o), batch_size=4, **o)["4"],
    "sensitivity": lambda m, r, x, **o: mixtures.sensitivity(m, x, moved(x, o), **o)["4"],
    "remove": lambda m, r, x, **o: state(mixtures.remove_direction(m, {"0": direction()}, images=x, **o)),
    "mean": lambda m, r, x, **o: state(mixtures.put_back_mean(m, r, {"0": direction()}, images=x, **o)),
    "parts": lambda m, r, x, **o: state(mixtures.put_back_parts(m, r, ["0"], images=x, **o)),
    "graft": lambda m, r, x, **o: state(mixtures.graft(m, r, 1, images=x, **o)),
    "control": lambda m, r, x, **o: state(mixtures.random_control(m, r, 0, images=x, **o)),
}

TRUSTED = {
    "units": lambda m, r, x: hidden_units.units_of(m, x)["0"].weight,
    "moments": lambda m, r, x: sensitivity.second_moments(m, x, shifted(x))["4"],
    "sensitivity": lambda m, r, x: sensitivity.sensitivity(m, x, shifted(x))["4"],
    "remove": lambda m, r, x: state(edits.remove_direction(m, {"0": direction()}, images=x)),
    "mean": lambda m, r, x: state(edits.put_back_mean(m, r, {"0": direction()}, images=x)),
    "parts": lambda m, r, x: state(edits.put_back_parts(m, r, ["0"], images=x)),
    "graft": lambda m, r, x: state(edits.graft(m, r, 1, images=x)),
    "control": lambda m, r, x: state(edits.random_control(m, r, 0, images=x)),
}

EDITS = ("remove", "mean", "parts", "graft", "control")


def moved(images, options):
    """`shifted` in the units of the images."""
    tensors = torch.as_tensor(images)
    if tensors.dtype == torch.uint8:
        return (255 * shifted(tensors.float() / 255)).round().clamp(0, 255).byte()
    low, high = options.get("bounds", (0, 1))
    if tensors.min() < 0:  # normalised
        return (shifted(tensors * STD + MEAN) - MEAN) / STD
    return low + (high - low) * shifted((tensors - low) / (high - low))


def state(network):
    assert not any(hasattr(module, "network") for module in network.modules())
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def agrees(found, right):
    if isinstance(right, float):
        assert found == pytest.approx(right, rel=1e-3)
    else:
        torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-3)
