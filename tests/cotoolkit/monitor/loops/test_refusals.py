"""What cannot be watched, or not be rescued, is refused when the monitor is made."""

import pytest
import torch
from torch import nn

from cotoolkit.core.errors import ConfigError, DataError, ModelError
from cotoolkit.methods import FGSM
from cotoolkit.monitor.actions import Rescue
from tests._helpers.any_networks import Around, mlp
from tests._helpers.networks import conv_net
from tests._helpers.watching import monitor_of, points


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda network, images: network(images.detach()), id="detached"),
        pytest.param(lambda network, images: network(torch.as_tensor(images.numpy())), id="numpy"),
    ],
)
def test_a_network_without_gradients_is_refused(call):
    with pytest.raises(
        ModelError, match=r"no gradient reaches the images .*: the monitor's probes are gradient attacks"
    ):
        monitor_of(Around(call))


def test_a_probe_without_any_gradient_decides_nothing():
    monitor = monitor_of(Around(lambda network, images: network((255 * images).round() / 255)))
    for _ in range(6):
        monitor.step()
    (failure,) = monitor.events
    assert "following gradients failed, training goes on (at no point is there one" in failure.reason
    assert monitor.criterion.best == 0
    assert monitor.good is None


class NoState:
    """An optimiser of somebody's own."""

    param_groups = ()

    def state_dict(self):
        return {"base": {}}


class NoLoading(torch.optim.SGD):
    def load_state_dict(self, state_dict):
        raise NotImplementedError("not here")


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (lambda network: NoState(), "'state'"),
        (lambda network: NoLoading(network.parameters(), lr=0.1), "not here"),
        (lambda network: "adam", "str"),
    ],
)
def test_an_optimiser_that_cannot_be_rolled_back_is_refused_at_once(optimizer, message):
    network = conv_net()
    with pytest.raises(ConfigError, match=f"optimizer: its state cannot be rolled back .*{message}"):
        monitor_of(network, optimizer=optimizer(network))


def test_a_method_that_cannot_attack_the_model_is_refused_at_once():
    class OnlyWhole(nn.Module):
        """In training mode it takes batches of 8 only."""

        def __init__(self):
            super().__init__()
            self.network = mlp()

        def forward(self, images):
            assert not self.training or len(images) % 8 == 0, "batches of 8"
            return self.network(images)

    monitor_of(OnlyWhole().train())
    with pytest.raises(ModelError, match="n_fgsm cannot attack the model: AssertionError: batches of 8"):
        monitor_of(OnlyWhole().train(), on={"breakpoint": Rescue()})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mean": 127.5, "std": 127.5}, ConfigError, "mean must lie in the bounds, 0 to 1"),
        ({"mean": 0.5, "std": 57.0}, ConfigError, "std is above the width of the bounds"),
        (
            {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)},
            ConfigError,
            "mean has 3 numbers, the images have 1 channel",
        ),
        ({"mean": 0.5}, ConfigError, "mean and std go together"),
        ({"mean": 0.5, "std": 0.0}, ConfigError, "std"),
        ({"mean": "half", "std": 0.5}, ConfigError, "mean"),
        ({"bounds": (1.0, 0.0)}, ConfigError, "bounds"),
        ({"bounds": (0, 255)}, DataError, r"as in \[0, 1\] and not as in the bounds"),
        ({"binary": True}, ConfigError, "binary: the model has 4 outputs"),
        ({"method": "fgsm"}, ConfigError, "method: give an attack"),
        ({"snapshot_every": 2.5}, ConfigError, "snapshot_every"),
    ],
)
def test_options_that_contradict_each_other_are_one_line(options, error, message):
    with pytest.raises(error, match=message) as caught:
        monitor_of(conv_net(), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_images_that_would_be_black_are_refused(scale):
    images, labels = points()
    monitor = monitor_of(conv_net(), (255 * images, labels), bounds=(0, 255), method=FGSM())
    if scale == 1:
        with pytest.raises(ConfigError, match=r"run from .* and so are black in the held-out images' range"):
            monitor.attack(images, labels)
    else:
        assert (monitor.attack(scale * images, labels) - scale * images).abs().max() == pytest.approx(25.5, rel=1e-3)
