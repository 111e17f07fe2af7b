"""LAW against loops over samples, its gated average by hand, and its limits."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ModelError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, NFGSM, PGD, RSFGSM
from cotoolkit.methods.law import LAW
from tests._helpers.networks import Linear, PassCounter, conv_net
from tests._helpers.slow_losses import (
    clipped,
    loss,
    slope,
    smooth_batch,
    smooth_net,
    stepped_apart,
    uphill,
    weight_gradient,
)
from tests._helpers.stepping import batch, remembering, sgd, stepped


def shared(entries, of):
    return entries.exp() / entries.exp().sum() if of == "softmax" else entries


def plain_law(network, given, *, seed, epsilon, weight, floor, of):
    """The total loss, its penalty and the perturbations, sample by sample, with the authors' attack."""
    draws = torch.rand(given.images.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    total, apart, moved, deltas, count = 0, 0, 0, [], len(given.images)
    for image, label, draw in zip(given.images, given.labels, draws, strict=True):
        start = 0.5 * epsilon * torch.where(draw < 0.5, 1.0, -1.0).double()
        start = (image + start).clamp(0, 1) - image
        deltas.append(clipped(image, start + epsilon * uphill(slope(network, image + start, label)), epsilon))
        total = total + loss(network, image + deltas[-1], label) / count
        for part in (network, network[:-1]):  # the outputs, and the features of the last layer
            here, there = (shared(part(point[None])[0], of) for point in (image, image + deltas[-1]))
            apart = apart + (there - here).square().mean() / count
        moved = moved + deltas[-1].square().mean() / count
    error = apart / (moved + floor)
    return total + weight * error, error, torch.stack(deltas)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("of", ["softmax", "raw"])
def test_law_against_loops_over_samples(seed, of):
    network, given = smooth_net(seed), smooth_batch(seed, epsilon=0.4)
    found, record, _ = stepped_apart(LAW(weight=12.0, floor=0.1, of=of), network, given)
    total, error, deltas = plain_law(network, given, seed=seed, epsilon=0.4, weight=12.0, floor=0.1, of=of)
    torch.testing.assert_close(record.delta, deltas, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(record.measures["error"].double(), error.detach(), atol=1e-7, rtol=1e-4)
    torch.testing.assert_close(found, weight_gradient(total, network), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("inner", [FGSM(), NFGSM(), RSFGSM(), PGD(steps=2)], ids=repr)
def test_without_weight_it_is_its_attack(inner):
    ours, record = stepped(LAW(inner=inner, weight=0), batch(), norm=False)
    theirs, other = stepped(inner, batch(), norm=False)
    assert torch.equal(record.delta, other.delta)
    for first, second in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(first, second, atol=1e-7, rtol=1e-6)


def test_the_average_moves_by_a_growing_decay_after_the_update():
    """0.1, 2/11, 3/12 as shares of the past, then at most `decay`; buffers go along, counters are the network's."""
    method = LAW(gate=100.0, decay=0.25)
    model = conv_net()
    memory = remembering(method, model, batch()).memory
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for seed, decay in enumerate((1 / 10, 2 / 11, 3 / 12, 0.25, 0.25)):
        given = dataclasses.replace(batch(seed=seed), memory=memory)
        given.labels.copy_(copy.deepcopy(model)(given.images).argmax(1))  # there are clean hits
        assert method.step(model, given, sgd(model)).measures["moved"] == 1
        now = model.state_dict()
        expected = {name: decay * tensor + (1 - decay) * now[name] for name, tensor in expected.items()}
    found = method.averages(memory)["averaged"]
    assert found.keys() == model.state_dict().keys()
    for name, tensor in found.items():
        if name.endswith("num_batches_tracked"):
            assert tensor == 10  # two trained passes a step
        else:
            torch.testing.assert_close(tensor, expected[name], atol=1e-6, rtol=1e-5)
    assert memory["average_moves"] == 5
    conv_net().load_state_dict(found)


def test_the_gate_compares_attacked_with_clean_hits():
    class Known(nn.Module):
        """Right where the first pixel is above 1/2; the attack takes it below for one of two right samples."""

        def __init__(self):
            super().__init__()
            self.last = nn.Linear(1, 2, bias=False)
            with torch.no_grad():
                self.last.weight.copy_(torch.tensor([[0.0], [1.0]]))

        def forward(self, images):
            return self.last(images.flatten(1)[:, :1] - 0.5)

    images = torch.tensor([0.55, 0.9, 0.1]).view(3, 1, 1, 1)
    for gate, moves in ((0.5, 0), (0.51, 1), (0.0, 0)):
        method, model = LAW(inner=FGSM(), gate=gate), Known()
        given = type(batch())(images, torch.ones(3, dtype=torch.int64), ThreatModel(0.1), torch.Generator())
        given = remembering(method, model, given)
        before = method.averages(given.memory)["averaged"]["last.weight"].clone()
        record = method.step(model, given, sgd(model))
        assert record.measures["moved"] == moves
        assert given.memory["average_moves"] == moves
        after = method.averages(given.memory)["averaged"]["last.weight"]
        expected = 0.1 * before + 0.9 * model.last.weight.detach() if moves else before
        torch.testing.assert_close(after, expected)
        assert not torch.equal(model.last.weight, before)


def test_no_clean_hit_moves_nothing():
    method, model = LAW(gate=100.0), conv_net()
    with torch.no_grad():
        model[5].bias.copy_(torch.tensor([60.0, 0, 0, 0]))
    given = remembering(method, model, batch())
    given.labels.fill_(1)
    assert method.step(model, given, sgd(model)).measures["moved"] == 0


def test_declared_passes_refusals_and_round_trip():
    for method in (LAW(of="raw", gate=2), LAW(inner=PGD(steps=3)), LAW(inner="n_fgsm", decay=0)):
        model = PassCounter(conv_net(), 6)
        method.step(model, remembering(method, model, batch()), sgd(model))
        assert (model.forwards, model.backwards, 0) == method.cost_per_step()
        assert model.network[1].num_batches_tracked == 2  # by the images and the attacked images, both trained on
        assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="trades is not an attack alone"):
        METHODS.parse({"name": "law", "inner": "trades"})
    with pytest.raises(InvalidFields, match="floor"):
        METHODS.parse({"name": "law", "floor": 0})
    two_classes = dataclasses.replace(batch(), labels=batch().labels % 2)
    with pytest.raises(ModelError, match="features need a network that ends in an"):
        LAW(inner=FGSM()).step(Linear(torch.ones(36)), two_classes, lambda loss: None)
    l2 = stepped(LAW(), batch(ThreatModel(0.5, "l2")))[1]
    assert l2.delta.flatten(1).norm(dim=1).max() <= 0.5 + 1e-5
