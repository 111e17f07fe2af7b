"""The running average: by hand, through wrappers, and without BatchNorm's statistics."""

import pytest
import torch
from torch import nn

from cotoolkit.methods._terms.averaging import averaged, first_average, move_average
from tests._helpers.networks import PassCounter, conv_net


def moved(model):
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(1)


def test_an_average_by_hand():
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, 2.0)
    nn.init.constant_(model.bias, 0.0)
    memory = {"other": torch.ones(1), **first_average(model)}
    moved(model)
    move_average(memory, model, 0.25)
    moved(model)
    move_average(memory, model, 0.5)
    # 2 -> 2 + 1/4 -> (2.25 + 4) / 2, and 0 -> 1/4 -> (0.25 + 2) / 2
    assert memory["average/weight"].item() == pytest.approx(3.125)
    assert memory["average/bias"].item() == pytest.approx(1.125)
    assert memory["other"] == 1
    assert averaged(memory).keys() == model.state_dict().keys()


def test_the_first_average_does_not_follow_the_network():
    model = conv_net()
    memory = first_average(model)
    moved(model)
    assert not torch.equal(memory["average/0.weight"], model[0].weight)


def test_a_share_of_one_is_the_network_and_counters_are_always_those_of_the_network():
    model = conv_net()
    memory = first_average(model)
    moved(model)
    move_average(memory, model, 0.5)
    assert memory["average/1.num_batches_tracked"] == 1
    move_average(memory, model, 1)
    assert all(torch.equal(tensor, averaged(memory)[name]) for name, tensor in model.state_dict().items())


def test_the_order_of_a_memory_and_a_wrapper_do_not_matter():
    model = conv_net()
    memory = first_average(model)
    shuffled = dict(sorted(memory.items(), key=lambda item: item[0][::-1]))
    kept = {name: tensor.clone() for name, tensor in shuffled.items()}
    moved(model)
    move_average(memory, model, 0.5)
    move_average(kept, PassCounter(model), 0.5)
    assert all(torch.equal(kept[name], memory[name]) for name in memory)


def test_statistics_of_batchnorm_can_be_left_out():
    found = averaged(first_average(conv_net()), statistics=False)
    assert set(found) == {"0.weight", "0.bias", "1.weight", "1.bias", "5.weight", "5.bias"}
