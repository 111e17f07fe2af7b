"""NuAT against loops over samples, its norm by hand and at its edges, its ramp, and its alternate steps."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS, Standard
from cotoolkit.methods.nuat import NuAT, nuclear_norm
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.slow_losses import loss, slope, smooth_batch, smooth_net, stepped_apart, uphill, weight_gradient
from tests._helpers.stepping import batch, sgd, stepped


def corners(given, seed, epsilon, norm):
    """Starts of the attack: a random corner of half the radius, clipped to the box."""
    draws = torch.rand(given.images.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    signs = torch.where(draws < 0.5, 1.0, -1.0).double()
    signs = signs if norm == "linf" else signs / 3  # of nine pixels
    return (given.images + 0.5 * epsilon * signs).clamp(0, 1) - given.images


def projected(images, delta, epsilon, norm):
    delta = (images + delta).clamp(0, 1) - images
    if norm == "linf":
        return delta.clamp(-epsilon, epsilon)
    return delta * (epsilon / delta.flatten(1).norm(dim=1)).clamp(max=1).view(-1, 1, 1, 1)


def trace_norm(matrix):
    """The sum of the roots of the eigenvalues of the smaller Gram matrix, of full rank."""
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    return torch.linalg.eigvalsh(gram).sqrt().sum()


def plain_nuat(network, given, *, seed, epsilon, norm, weight, guided):
    """The total loss, the norm and the perturbations. The norm alone joins samples; the rest goes one by one."""
    count = len(given.images)
    reference = torch.stack([network(image[None])[0] for image in given.images])
    starts = corners(given, seed, epsilon, norm)
    points = (given.images + starts).requires_grad_()
    (pull,) = torch.autograd.grad(
        trace_norm(torch.stack([network(one[None])[0] for one in points]) - reference.detach()), points
    )
    deltas = []
    for image, label, start, extra in zip(given.images, given.labels, starts, pull, strict=True):
        ascent = slope(network, image + start, label) + (weight * extra if guided else 0)
        deltas.append(start + epsilon * uphill(ascent, norm))
    deltas = projected(given.images, torch.stack(deltas), epsilon, norm)
    moved = torch.stack([network((image + d)[None])[0] for image, d in zip(given.images, deltas, strict=True)])
    clean = sum(loss(network, image, label) for image, label in zip(given.images, given.labels, strict=True)) / count
    spread = trace_norm(moved - reference) / count
    return clean + weight * spread, spread, deltas


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("guided", [False, True])
def test_nuat_against_loops_over_samples(seed, norm, guided):
    network = smooth_net(seed)
    # The fourth epoch of five steps: its first is not guided, although it is the sixteenth of all.
    given = dataclasses.replace(smooth_batch(seed, norm, 0.4, iteration=15 + guided), progress=0.99, epoch_length=5)
    found, record, _ = stepped_apart(NuAT(weight=2.0), network, given)
    total, spread, deltas = plain_nuat(network, given, seed=seed, epsilon=0.4, norm=norm, weight=2.0, guided=guided)
    torch.testing.assert_close(record.delta, deltas, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(record.measures["global_term"].double(), spread.detach(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(found, weight_gradient(total, network), atol=1e-5, rtol=1e-4)


def test_the_guide_changes_the_attack():
    given = dataclasses.replace(batch(size=12), epoch_length=3, progress=0.95)
    steps = [
        stepped(NuAT(weight=50.0), dataclasses.replace(given, iteration=i, generator=torch.Generator().manual_seed(0)))[
            1
        ]
        for i in (3, 4)
    ]
    assert not torch.equal(steps[0].delta, steps[1].delta)
    assert torch.equal(steps[0].attack.start, steps[1].attack.start)


@pytest.mark.parametrize("bn_mode", ["eval", "train"])
def test_the_attack_s_mode_and_batchnorm(bn_mode):
    """In eval mode the attack sees the running statistics; they move in the two passes that are trained on."""
    given = dataclasses.replace(batch(size=12), iteration=2)
    model, record = stepped(NuAT(bn_mode=bn_mode), given)
    twin = conv_net()
    twin(given.images)  # the clean pass, from which the attack takes its reference
    twin.train(bn_mode == "train")
    twin[1].track_running_stats = bn_mode == "eval"
    points = (given.images + record.attack.start).requires_grad_()
    torch.nn.functional.cross_entropy(twin(points), given.labels).backward()
    moved = record.attack.start + given.threat.epsilon * points.grad.sign()
    torch.testing.assert_close(record.delta, given.threat.project(given.images, moved))
    assert model[1].num_batches_tracked == 2


def test_nuclear_norms_by_hand():
    zero = torch.zeros(3, 2)
    moved = torch.tensor([[3.0, 0.0], [0.0, -4.0], [0.0, 0.0]], requires_grad=True)
    norm = nuclear_norm(zero, moved)
    assert norm.item() == pytest.approx(7)
    norm.backward()
    torch.testing.assert_close(moved.grad, torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.0, 0.0]]))
    matrix = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")
    expected = np.linalg.norm(matrix.astype("float64"), "nuc")
    assert nuclear_norm(torch.zeros(8, 5), torch.tensor(matrix)).item() == pytest.approx(expected, rel=1e-5)


def test_directions_in_which_nothing_moved_have_no_gradient():
    # Of rank one: the gradient is u v^T, with no singular vectors made up for the rest.
    u, v = torch.tensor([1.0, 2.0, 2.0, 0.0]) / 3, torch.tensor([0.6, 0.0, 0.8])
    moved = (5 * u[:, None] * v).requires_grad_()
    nuclear_norm(torch.zeros(4, 3), moved).backward()
    torch.testing.assert_close(moved.grad, u[:, None] * v, atol=1e-5, rtol=1e-5)
    still = torch.zeros(4, 3, requires_grad=True)
    nuclear_norm(torch.zeros(4, 3), still).backward()
    assert torch.equal(still.grad, torch.zeros(4, 3))
    broken = torch.full((4, 3), float("nan"))
    assert nuclear_norm(torch.zeros(4, 3), broken).isnan()


def test_the_weight_rises_by_epochs_until_the_ramp_ends():
    """Ten epochs of four steps: 0, then a step up after each epoch, full after nine."""
    class_weight = 4.5
    seen = []
    for iteration in range(40):
        given = dataclasses.replace(batch(), iteration=iteration, epoch_length=4, progress=iteration / 40)
        record = NuAT().step(conv_net(), given, lambda loss: None)
        total = []
        NuAT().step(conv_net(), dataclasses.replace(given, generator=torch.Generator().manual_seed(0)), total.append)
        seen.append(((total[0] - record.measures["base"]) / record.measures["global_term"]).item())
    expected = [class_weight * min(1, (iteration // 4) / 9) for iteration in range(40)]
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_without_weight_it_is_clean_training():
    ours, record = stepped(NuAT(weight=0), batch(), norm=False)
    theirs, _ = stepped(Standard(), batch(), norm=False)
    for first, second in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(first, second)
    assert record.update_gradient.isnan().all()
    assert record.delta.abs().max() <= 16 / 255 + 1e-6


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_declared_passes_refusals_and_round_trip(norm):
    method = NuAT(weight=1, ramp=0.5, start=1.0, bn_mode="train")
    model = PassCounter(conv_net(), 6)
    given = dataclasses.replace(batch(ThreatModel(0.2, norm)), iteration=5, epoch_length=4, progress=0.9)
    record = method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards, 0) == method.cost_per_step()
    length = record.delta.flatten(1).norm(dim=1).max() if norm == "l2" else record.delta.abs().max()
    assert length <= 0.2 + 1e-6
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="ramp"):
        METHODS.parse({"name": "nuat", "ramp": 0})


def test_the_update_s_gradient_is_of_the_norm():
    model = conv_net(norm=False)
    twin = copy.deepcopy(model)
    given = dataclasses.replace(batch(), iteration=4, progress=0.95)
    record = NuAT(weight=3.0).step(model, given, sgd(model))
    delta = record.delta.clone().requires_grad_()
    nuclear_norm(twin(given.images), twin(given.images + delta)).backward()
    torch.testing.assert_close(record.update_gradient, delta.grad, atol=1e-5, rtol=1e-4)
