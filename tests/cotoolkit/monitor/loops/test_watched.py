"""Whatever network somebody trains: measured as it is and as it once was, and left as it was, bit for bit."""

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.methods import FGSM, NFGSM
from cotoolkit.monitor.actions import Rescue, Save
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.weight_history import named_tensors, weights_in_place, weights_of
from tests._helpers.any_networks import NETWORKS, Encoded, Hidden, mlp
from tests._helpers.networks import conv_net
from tests._helpers.watching import monitor_of, points


def state(network):
    """Values, gradients and modes of a network, to compare."""
    network = getattr(network, "_orig_mod", network)
    values = {name: value.detach().clone() for name, value in named_tensors(network).items()}
    return values, [module.training for module in network.modules()], [p.grad for p in network.parameters()]


def unchanged(before, network):
    values, modes, gradients = state(network)
    return (
        all(torch.equal(value, values[name]) for name, value in before[0].items())
        and (modes, len(gradients)) == (before[1], len(before[2]))
        and all(one is other for one, other in zip(gradients, before[2], strict=True))
    )


def update(network, optimizer, inputs, labels):
    outputs = network(1 * inputs.clone().requires_grad_())  # a gradient, which re-entrant checkpoints ask for
    if not isinstance(outputs, torch.Tensor):
        outputs = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
    optimizer.zero_grad()
    F.cross_entropy(outputs, labels).backward()
    optimizer.step()


@pytest.mark.parametrize("kind", NETWORKS)
def test_any_network_is_measured_as_it_once_was_and_left_as_it_is(kind):
    torch.manual_seed(0)
    network = NETWORKS[kind]().train()
    before, random = state(network), torch.get_rng_state()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    monitor = monitor_of(network, optimizer=optimizer, method=FGSM(), on={"breakpoint": Rescue()})
    assert unchanged(before, network)
    assert torch.equal(torch.get_rng_state(), random)
    assert not optimizer.state_dict()["state"]
    first, found = monitor.snapshot(), monitor.probe()
    images, labels = points()
    images = images.to(next(network.parameters()).dtype)
    given = images.clone()
    update(network, optimizer, monitor.attack(images, labels), labels)
    assert torch.equal(images, given)
    after = state(network)
    assert monitor._measure(first.weights) == found
    assert monitor._measure() != found
    assert unchanged(after, network)
    monitor.rescue(NFGSM())
    assert all(torch.equal(value, before[0][name]) for name, value in named_tensors(monitor.network).items())
    assert monitor.events == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(Hidden(tied=True), Hidden(tied=False), id="tied"),
        pytest.param(Encoded(twice=True), Encoded(twice=False), id="shared"),
    ],
)
def test_tied_weights_are_dated_like_the_same_net_registered_once(one, other):
    other.load_state_dict({name: one.state_dict()[name].clone() for name in other.state_dict()})
    found = []
    for network in (one, other):
        monitor = monitor_of(network, snapshot_every=1, config=MonitorConfig(interval=0, points=20, steps=3))
        for _ in range(4):
            with torch.no_grad():
                for value in {id(v): v for v in named_tensors(network).values() if v.is_floating_point()}.values():
                    value.mul_(0.7).add_(0.02)
            if network is other and isinstance(network, Hidden):
                network.second.weight.data.copy_(network.first.weight)
            monitor.step()
        found.append([monitor._measure(snapshot.weights) for snapshot in monitor.history.snapshots])
        assert len(found[-1]) == 5
    assert found[0] == found[1]


def test_a_graph_that_the_loop_still_holds_is_not_touched():
    network = mlp()
    monitor = monitor_of(network)
    first = monitor.snapshot()
    with torch.no_grad():
        network[3].weight.mul_(2)
    images, _ = points()
    images.requires_grad_()
    held, expected = network(images).sum(), torch.autograd.grad(network(images).sum(), images)[0]
    monitor._measure(first.weights)
    assert torch.equal(torch.autograd.grad(held, images)[0], expected)


def test_weights_come_back_when_the_measurement_is_interrupted():
    network = mlp()
    before, past = weights_of(network), {name: value + 1 for name, value in weights_of(network).items()}

    def interrupted():
        with weights_in_place(network, past):
            assert all(torch.equal(value, past[name]) for name, value in network.state_dict().items())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_saved_weights_load_into_the_network(tmp_path):
    from safetensors.torch import load_file

    network = NETWORKS["buffered"]()
    monitor = monitor_of(network, on={"failure": Save(tmp_path)})
    monitor.failures.note("something", "for a reason")
    (path,) = tmp_path.iterdir()
    assert load_file(path).keys() == network.state_dict().keys()  # without the buffer that is in no state dict


def test_the_state_of_an_optimiser_is_the_same_after_the_rehearsal():
    network = mlp()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    update(network, optimizer, *points())
    groups, tensors = optimizer.param_groups[0], [id(state["exp_avg"]) for state in optimizer.state.values()]
    monitor_of(network, optimizer=optimizer)
    assert optimizer.param_groups[0] is groups
    assert [id(state["exp_avg"]) for state in optimizer.state.values()] == tensors


def test_everything_works_inside_inference_mode():
    network = conv_net()
    expected = monitor_of(network).probe()
    with torch.inference_mode():
        monitor = monitor_of(network, method=FGSM())
        assert monitor.probe() == expected
        images, labels = points()
        monitor.attack(images, labels)
        monitor.step(losses=torch.rand(30))
        monitor.step(losses=torch.rand(30), labels=labels)
    monitor.step(losses=torch.rand(30))
    monitor.probe()
    assert monitor.events == []


def test_a_default_of_float64_changes_nothing():
    network = conv_net()
    expected = monitor_of(network).probe()
    torch.set_default_dtype(torch.float64)
    try:
        assert monitor_of(network).probe() == expected
        double = mlp()
        monitor_of(double, method=FGSM()).attack(*points())
    finally:
        torch.set_default_dtype(torch.float32)


class Within(torch.optim.Optimizer):
    """An optimiser around another, as SAM and lookahead are: the other one is an attribute of its own."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})
        self.inner = torch.optim.Adam(self.param_groups, lr=lr)
        self.param_groups = self.inner.param_groups

    def step(self, closure=None):
        self.inner.step()

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.inner.param_groups = self.param_groups


def test_an_optimiser_may_have_another_one_inside():
    network = mlp()
    optimizer = Within(network.parameters(), lr=0.01)
    inner, groups = optimizer.inner, optimizer.inner.param_groups
    monitor_of(network, optimizer=optimizer, on={"breakpoint": Rescue()})
    assert optimizer.inner is inner
    assert optimizer.param_groups is inner.param_groups is groups
    assert groups[0]["params"][0] is next(network.parameters())


class OwnNoise(torch.nn.Module):
    """Noise from a generator of its own."""

    def __init__(self):
        super().__init__()
        self.draws = torch.Generator().manual_seed(1)

    def forward(self, images):
        return images + 0.1 * torch.randn(images.shape, generator=self.draws)


def test_generators_of_modules_are_left_where_they_were():
    network = torch.nn.Sequential(OwnNoise(), mlp())
    at = network[0].draws.get_state()
    monitor = monitor_of(network)
    monitor.probe()
    assert torch.equal(network[0].draws.get_state(), at)


def test_what_is_ours_is_drawn_on_the_processor_whatever_the_default_device():
    network, given = mlp(), points()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    expected = monitor_of(network, given).probe()
    torch.set_default_device("meta")  # stands for a GPU
    try:
        monitor = monitor_of(network, given, method=FGSM(), optimizer=optimizer)
        assert monitor.probe() == expected
    finally:
        torch.set_default_device(None)
