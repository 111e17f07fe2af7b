from itertools import pairwise

import pytest
import torch
from torch import nn

from cotoolkit.core.errors import ConfigError
from cotoolkit.monitor.weight_history import RestorePoint, WeightHistory, WeightSnapshot, restore_weights, weights_of
from tests._helpers.networks import conv_net


def at(iteration):
    return WeightSnapshot(iteration, {})


def test_old_snapshots_lie_further_apart_than_young_ones():
    history = WeightHistory(capacity=10)
    history.restart(at(0))
    for iteration in range(16, 513, 16):
        history.add(at(iteration))
        kept = [snapshot.iteration for snapshot in history.snapshots]
        assert kept[0] == 0
        assert kept[-2:] == [iteration - 16, iteration]
        assert len(kept) <= 10
    gaps = [second - first for first, second in pairwise(kept)]
    assert len(kept) == 10
    assert gaps[-1] == 16
    assert max(gaps) <= 128  # a quarter of the time; evenly spread it would be 57
    assert sum(gaps[:3]) > 2 * sum(gaps[-3:])


@pytest.mark.parametrize("truth", range(1, 91, 7))
def test_a_break_is_bracketed_by_neighbours(truth):
    history, asked = WeightHistory(capacity=10), []
    history.restart(at(0))
    for iteration in range(10, 90, 10):
        history.add(at(iteration))

    def broken(snapshot):
        asked.append(snapshot.iteration)
        return snapshot.iteration >= truth

    found = history.date(at(90), broken)
    assert found.before.iteration == found.earliest - 1 < truth <= found.iteration == found.after.iteration
    assert (found.sustained, found.latest, found.detected) == (found.iteration, found.iteration, 90)
    assert found.iteration - found.before.iteration == 10
    assert len(asked) == len(set(asked)) <= 8  # of 10 snapshots
    assert not {0, 90} & set(asked)  # known


def test_the_first_crossing_and_the_one_that_lasts_are_told_apart():
    history = WeightHistory(capacity=10)
    history.restart(at(0))
    for iteration in range(10, 90, 10):
        history.add(at(iteration))
    found = history.date(at(90), lambda snapshot: snapshot.iteration in (30, 40, 60, 80))
    assert (found.before, found.after) == (at(20), at(80))
    assert (found.earliest, found.iteration, found.sustained, found.latest) == (21, 30, 80, 80)


def test_the_present_is_not_asked_twice():
    history = WeightHistory()
    history.restart(at(0))
    history.add(at(40))
    found = history.date(at(40), lambda snapshot: pytest.fail("nothing to ask"))
    assert (found.before, found.iteration, found.after) == (at(0), 40, at(40))


def test_weights_come_back_with_buffers_and_without_new_tensors():
    network = conv_net()
    before, pointers = weights_of(network), [value.data_ptr() for value in network.state_dict().values()]
    network.train()(torch.rand(4, 1, 6, 6)).sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert int(network.state_dict()["1.num_batches_tracked"]) == 1
    restore_weights(network, before)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [value.data_ptr() for value in network.state_dict().values()] == pointers


class Far:
    """Weights on another device: each way from there is counted."""

    def __init__(self, tensor):
        self.tensor, self.ways, self.shape = tensor, 0, tensor.shape

    def to(self, device):
        self.ways += 1
        return self.tensor.to(device)


@pytest.mark.parametrize("change", [0.0, 1.0], ids=["equal", "changed"])
def test_weights_go_to_the_device_once(change):
    network = conv_net()
    far = {name: Far(value + change) for name, value in weights_of(network).items()}
    restore_weights(network, far)
    assert {value.ways for value in far.values()} == {1}
    assert all(torch.equal(value, far[name].tensor) for name, value in network.state_dict().items())


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_the_optimiser_goes_back_again_and_again_but_keeps_its_rate(kind):
    network = conv_net()
    options = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimizer = kind(network.parameters(), lr=0.1, **options)
    images = torch.rand(4, 1, 6, 6)

    def train():
        optimizer.zero_grad()
        network.eval()(images).square().sum().backward()
        optimizer.step()

    train()
    good = RestorePoint.of(WeightSnapshot(1, weights_of(network)), optimizer)
    train()
    expected = weights_of(network)
    for _ in range(2):  # twice: training on must not write to what is kept
        train()
        good.restore(network, optimizer)
        train()
        assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    optimizer.param_groups[0]["lr"] = 0.01
    good.restore(network, optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.01


@pytest.mark.parametrize("other", [conv_net(classes=5), nn.Linear(3, 2)], ids=["shapes", "names"])
def test_weights_of_another_network_are_refused_before_any_is_written(other):
    network = conv_net()
    before = weights_of(network)
    with pytest.raises(ConfigError, match="of another network: "):
        restore_weights(network, weights_of(other))
    assert all(torch.equal(value, before[name]) for name, value in weights_of(network).items())
