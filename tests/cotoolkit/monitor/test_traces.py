"""A monitor leaves no trace in the network, its gradients or the random numbers, whatever it is wrapped in."""

import copy

import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import nn

from cotoolkit import BreakpointMonitor
from cotoolkit.core.errors import DataError
from cotoolkit.methods import FGSM, NFGSM
from cotoolkit.models.normalise import Normalised, Statistics
from cotoolkit.monitor.config import MonitorConfig
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.reading_signals import by_iteration

OFTEN = MonitorConfig(interval=2, points=20, steps=3)


def points(channels=1, seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.rand(30, channels, 6, 6, generator=draws), torch.arange(30) % 4


class RandomInEval(nn.Module):
    """Draws random numbers even in evaluation mode."""

    def forward(self, hidden):
        return F.dropout(hidden, 0.2, training=True)


def plain(network):
    return network


def fabric_bf16(network):
    return Fabric(accelerator="cpu", precision="bf16-mixed").setup(network)


@pytest.mark.parametrize(
    "wrap", [plain, fabric_bf16, nn.DataParallel, lambda network: torch.compile(network, backend="eager")]
)
def test_probes_and_attacks_leave_no_trace(wrap):
    network = nn.Sequential(RandomInEval(), *conv_net())
    network[1].requires_grad_(False)
    network[2].eval()
    model = wrap(network)
    network(points()[0]).sum().backward()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    gradients = {name: copy.deepcopy(parameter.grad) for name, parameter in network.named_parameters()}
    flags = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    modes = {name: module.training for name, module in network.named_modules()}
    tracked = {name: getattr(module, "track_running_stats", None) for name, module in network.named_modules()}
    monitor = BreakpointMonitor(model, points(), epsilon=0.1, config=OFTEN, method=FGSM())
    random = torch.get_rng_state()
    for _ in range(4):
        monitor.step(loss=1.0)
    assert torch.equal(torch.get_rng_state(), random)
    assert monitor.last_probe is not None
    monitor._measure({name: value + 1 for name, value in state.items()})
    monitor.attack(*points())  # draws for its random layer, as any forward pass of the loop does
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == (gradients[name] is None)
        assert parameter.grad is None or torch.equal(parameter.grad, gradients[name])
        assert parameter.requires_grad == flags[name]
    assert {name: module.training for name, module in network.named_modules()} == modes
    assert {n: getattr(m, "track_running_stats", None) for n, m in network.named_modules()} == tracked


def test_wrappers_do_not_change_what_a_probe_finds():
    network = conv_net()
    fabric = Fabric(accelerator="cpu").setup(copy.deepcopy(network))
    models = network, nn.DataParallel(network), torch.compile(network, backend="eager"), fabric
    found = [BreakpointMonitor(model, points(), epsilon=0.1, config=OFTEN).probe() for model in models]
    assert found[0] == found[1] == found[2] == found[3]


def test_a_model_of_normalised_input_is_probed_as_one_with_a_layer_for_it():
    network, (images, labels) = conv_net(2), points(2)
    mean, std = (0.5, 0.4), (0.25, 0.2)
    layered = Normalised(network, Statistics(mean, std))
    options = {"epsilon": "16/255", "config": OFTEN}
    expected = BreakpointMonitor(layered, (images, labels), **options).probe()
    assert BreakpointMonitor(network, (images, labels), mean=mean, std=std, **options).probe() == expected
    centred = Normalised(network, Statistics((0.5,), (0.5,)))  # from [0, 1] to [-1, 1]
    expected = BreakpointMonitor(centred, (images, labels), **options).probe()
    assert BreakpointMonitor(network, (2 * images - 1, labels), bounds=(-1.0, 1.0), **options).probe() == expected


def test_attacks_speak_the_loop_units():
    network, (images, labels) = conv_net(2).eval(), points(2)
    mean, std = torch.tensor((0.5, 0.4)).view(1, 2, 1, 1), torch.tensor((0.25, 0.2)).view(1, 2, 1, 1)
    monitor = BreakpointMonitor(
        network, (images, labels), epsilon=0.1, mean=(0.5, 0.4), std=(0.25, 0.2), method=FGSM(), config=OFTEN
    )
    adversarial = monitor.attack((images - mean) / std, labels) * std + mean
    layered = Normalised(network, Statistics((0.5, 0.4), (0.25, 0.2)))
    clean = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(layered(clean), labels), clean)
    assert torch.allclose(adversarial, (images + 0.1 * gradient.sign()).clamp(0, 1), atol=1e-5)


def test_attacks_leave_their_by_products_to_the_next_step():
    monitor = BreakpointMonitor(conv_net(), points(), epsilon=0.1, method=NFGSM(), config=OFTEN, all_signals=True)
    images, labels = points()
    adversarial = monitor.attack(images, labels).requires_grad_()
    losses = F.cross_entropy(monitor.network(adversarial), labels, reduction="none")
    losses.mean().backward()
    monitor.observe(losses=losses, adversarial=adversarial)
    monitor._close_step()
    ((_, found),) = by_iteration(monitor._signals())
    assert found.keys() >= {"train_loss", "gradient_norm", "abnormal_example", "pert_align", "linearity"}
    monitor.step()
    assert by_iteration(monitor._signals()) == []  # probed at iteration 2: read already


def test_attacks_are_random_and_repeatable():
    def attacks():
        monitor = BreakpointMonitor(conv_net(), points(), epsilon=0.1, method=NFGSM(), config=OFTEN)
        return monitor.attack(*points()), monitor.attack(*points())

    (first, second), (again, _) = attacks(), attacks()
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_steps_cost_no_pass_and_probes_few():
    network = PassCounter(conv_net())
    monitor = BreakpointMonitor(network, points(), epsilon=0.1, config=MonitorConfig(interval=100, steps=10))
    images, _ = points()
    network.forwards = 0  # when the monitor is made a breakpoint is rehearsed
    for _ in range(31):
        monitor.step(losses=torch.rand(30), delta=0.1 * images, attack_gradient=images, update_gradient=images)
    assert network.forwards == 0
    monitor.step()
    assert network.forwards <= 13


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.rand(4, 1, 6, 6), "not a data set of"),
        (7, "the int is no data"),
        ((torch.rand(4, 1, 6, 6), torch.arange(3)), "labels"),
        ((torch.rand(0, 1, 6, 6), torch.arange(0)), "no images"),
        ((torch.rand(4, 1, 6, 6), torch.rand(4)), "whole numbers"),
        ((torch.rand(4, 1, 6, 6) - 0.5, torch.arange(4)), "outside"),
        ((torch.full((4, 1, 6, 6), torch.nan), torch.arange(4)), "nan"),
    ],
)
def test_senseless_points_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        BreakpointMonitor(conv_net(), given, epsilon=0.1)


def test_points_may_leave_the_box_where_there_is_none():
    images, labels = points()
    assert BreakpointMonitor(conv_net(), (images - 0.5, labels), epsilon=0.1, box="none", config=OFTEN).probe()
