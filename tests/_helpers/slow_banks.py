"""Slow references of methods: one sample after another, in float64, with nothing of the library's."""

import copy

import torch

from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.stepping import remembering, sgd

CLASSES = 4


def in_double(model):
    """A copy of a network in float64."""
    return copy.deepcopy(model).double()


def one_hot(label, smoothing=0.0, *, over_all=False):
    """Targets by hand: what the label gives up goes to the other classes, or to all of them."""
    given = smoothing / CLASSES if over_all else smoothing / (CLASSES - 1)
    target = torch.full((CLASSES,), given, dtype=torch.float64)
    target[label] = (given if over_all else 0.0) + 1 - smoothing
    return target


def loss_of(logits, target):
    """Cross-entropy of one sample, (classes,) and (classes,)."""
    return -(target * (logits - logits.exp().sum().log())).sum()


def slopes(twin, images, targets):
    """Input gradients, one sample at a time; none of them so small that rounding decides its sign."""
    found = []
    for image, target in zip(images.double(), targets, strict=True):
        point = image.clone().requires_grad_()
        found.append(torch.autograd.grad(loss_of(twin(point[None])[0], target), point)[0])
    found = torch.stack(found)
    decided(found)
    return found


def decided(values):
    """That the sign of each number is beyond the rounding of float32, row by row; if not, take another seed."""
    for row in values.flatten(1).abs():
        assert row.max() == 0 or row[row > 0].min() > 1e-5 * row.max(), "take another seed"


def clipped(images, delta, epsilon):
    """To the ball, then to the box, pixel by pixel."""
    images, delta = images.double(), delta.double().clamp(-epsilon, epsilon)
    return torch.minimum(torch.maximum(delta, -images), 1 - images)


def updated(twin, loss):
    """The slow network after the update that the library's one makes."""
    sgd(twin)(loss)


def assert_same_weights(model, twin, atol=2e-6):
    """Both took the same step: at a rate of 0.1 their gradients differ by less than 10 atol."""
    start = conv_net(norm=False).state_dict()
    moved = max((model.state_dict()[name] - start[name]).abs().max() for name in start)
    assert moved > 100 * atol  # else equal weights would say nothing
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=atol, rtol=1e-5)


def assert_same_deltas(record, delta):
    """No sign differs."""
    torch.testing.assert_close(record.delta.double(), delta.double(), atol=1e-6, rtol=0)


def mean_loss(logits, targets):
    """Of a batch, one sample after another."""
    return sum(loss_of(one, target) for one, target in zip(logits, targets, strict=True)) / len(targets)


def squared_distance(first, second):
    """Mean over samples and classes, one pair of numbers after another."""
    pairs = zip(first.flatten(), second.flatten(), strict=True)
    return sum((a - b) ** 2 for a, b in pairs) / first.numel()


def passes(method, given):
    """Forward and backward passes of a step that starts with the method's own memory."""
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, remembering(method, model, given), sgd(model))
    return model.forwards, model.backwards


def declared(method):
    """What it says of them."""
    cost = method.cost_per_step()
    assert cost.double_backward == 0
    return cost.forward, cost.backward


def assert_equal_steps(first, second):
    """Bit for bit the same weights, from pairs of a network and a record; and the same perturbations."""
    for ours, theirs in zip(first[0].state_dict().values(), second[0].state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(first[1].delta, second[1].delta)
