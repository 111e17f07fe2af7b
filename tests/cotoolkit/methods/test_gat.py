"""GAT against loops over samples, its distance by hand, and its late weight."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS, Standard
from cotoolkit.methods.gat import GAT, squared_distance
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.slow_losses import clipped, loss, smooth_batch, smooth_net, stepped_apart, uphill, weight_gradient
from tests._helpers.stepping import batch, sgd, stepped


def probabilities(network, point):
    powers = network(point[None])[0].exp()
    return powers / powers.sum()


def plain_gat(network, given, *, seed, epsilon, norm, weight, guided):
    """The total loss, its distance and the perturbations, sample by sample."""
    draws = torch.rand(given.images.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    total, distance, deltas, count = 0, 0, [], len(given.images)
    for image, label, draw in zip(given.images, given.labels, draws, strict=True):
        signs = torch.where(draw < 0.5, 1.0, -1.0).double()
        corner = signs if norm == "linf" else signs / 3  # of nine pixels
        start = (image + 0.5 * epsilon * corner).clamp(0, 1) - image
        reference = probabilities(network, image)
        point = (image + start).requires_grad_()
        ascended = loss(network, point, label)
        if guided:
            ascended = ascended + weight * (probabilities(network, point) - reference.detach()).square().sum()
        (gradient,) = torch.autograd.grad(ascended, point)
        deltas.append(clipped(image, start + epsilon * uphill(gradient, norm), epsilon, norm))
        distance = distance + (probabilities(network, image + deltas[-1]) - reference).square().sum() / count
        total = total + loss(network, image, label) / count
    return total + weight * distance, distance, torch.stack(deltas)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("guided", [False, True])
def test_gat_against_loops_over_samples(seed, norm, guided):
    # The second epoch of five steps: its first is not guided, although it is the sixth of all.
    network, given = smooth_net(seed), smooth_batch(seed, norm, 0.4, iteration=5 + guided)
    given = dataclasses.replace(given, epoch_length=5)
    found, record, _ = stepped_apart(GAT(weight=3.0), network, given)
    total, distance, deltas = plain_gat(network, given, seed=seed, epsilon=0.4, norm=norm, weight=3.0, guided=guided)
    torch.testing.assert_close(record.delta, deltas, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(record.measures["global_term"].double(), distance.detach(), atol=1e-7, rtol=1e-4)
    torch.testing.assert_close(found, weight_gradient(total, network), atol=1e-6, rtol=1e-4)


def test_a_distance_by_hand():
    # Softmax of (log 3, 0) is (3/4, 1/4), of (0, 0) it is (1/2, 1/2): 1/16 + 1/16, and the second sample stays.
    first = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    second = torch.tensor([[3.0, 1.0], [2.0, 3.0]])
    second[0] = second[0].log()
    assert squared_distance(first, second).item() == pytest.approx(1 / 8)


def test_late_in_training_the_weight_is_multiplied():
    def weight(progress):
        totals = []
        given = dataclasses.replace(batch(), progress=progress)
        record = GAT().step(conv_net(), given, totals.append)
        return ((totals[0] - record.measures["base"]) / record.measures["global_term"]).item()

    assert [weight(progress) for progress in (0.0, 0.85, 0.86, 0.99)] == pytest.approx([10, 10, 40, 40], rel=1e-4)


def test_without_weight_it_is_clean_training():
    ours, record = stepped(GAT(weight=0), dataclasses.replace(batch(), iteration=1, epoch_length=2), norm=False)
    theirs, _ = stepped(Standard(), batch(), norm=False)
    for first, second in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(first, second)
    assert record.update_gradient.isnan().all()


def test_declared_passes_refusals_and_round_trip():
    method = GAT(weight=1, late_factor=2, late=0.5, start=0.0, bn_mode="train")
    model = PassCounter(conv_net(), 6)
    given = dataclasses.replace(batch(ThreatModel(0.2)), iteration=5, epoch_length=4, progress=0.9)
    record = method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards, 0) == method.cost_per_step()
    assert model.network[1].num_batches_tracked == 2  # by the images and the attacked images, both trained on
    assert record.attack.start.abs().max() == 0
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="late"):
        METHODS.parse({"name": "gat", "late": 2})
