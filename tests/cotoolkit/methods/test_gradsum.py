"""GradSum with both starts against loops over samples, and in its limits."""

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, RSFGSM, Batch
from cotoolkit.methods.gradsum import GradSum
from tests._helpers.networks import Linear, PassCounter, conv_net
from tests._helpers.slow_losses import (
    clipped,
    loss,
    slope,
    smooth_batch,
    smooth_net,
    stepped_apart,
    uniform,
    uphill,
    weight_gradient,
)
from tests._helpers.stepping import batch, sgd, stepped


def plain_gradsum(network, given, *, start, seed, epsilon, alpha, weight):
    """The total loss, its norm and the perturbations, sample by sample."""
    noise = uniform(given.images.shape, torch.Generator().manual_seed(seed), epsilon)
    total, square, deltas = 0, 0, []
    for image, label, eta in zip(given.images, given.labels, noise, strict=True):
        begin = clipped(image, eta, epsilon) if start == "random" else torch.zeros_like(image)
        step = alpha * uphill(slope(network, image + begin, label))
        deltas.append(clipped(image, begin + step, epsilon))
        total = total + loss(network, image + deltas[-1], label) / len(noise)
        # The gradient of the mean loss has 1/B of each sample's.
        point = image + (begin if start == "random" else eta)
        square = square + (slope(network, point, label, create_graph=True) / len(noise)).square().sum()
    return total + weight * square.sqrt(), square.sqrt(), torch.stack(deltas)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("start", ["image", "random"])
def test_gradsum_against_loops_over_samples(seed, start):
    network, given = smooth_net(seed), smooth_batch(seed, epsilon=0.4)
    found, record, _ = stepped_apart(GradSum(weight=5.0, start=start, alpha=0.3), network, given)
    total, norm, deltas = plain_gradsum(network, given, start=start, seed=seed, epsilon=0.4, alpha=0.3, weight=5.0)
    torch.testing.assert_close(record.delta, deltas, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(record.measures["summed_norm"].double(), norm.detach(), atol=1e-8, rtol=1e-4)
    torch.testing.assert_close(found, weight_gradient(total, network), atol=1e-5, rtol=1e-3)


def test_the_norm_of_a_logistic_gradient_by_hand():
    # The loss of label 1 is log(1 + exp(-w x)); its slope is -w / (1 + exp(w x)). A ball of one point.
    model = Linear(torch.tensor([2.0]))
    images = torch.tensor([0.5, 0.2]).view(2, 1, 1, 1)
    given = Batch(images, torch.ones(2, dtype=torch.int64), ThreatModel(0.0), torch.Generator())
    slopes = [2 / (1 + torch.tensor(2 * x).exp()).item() for x in (0.5, 0.2)]
    expected = (slopes[0] ** 2 + slopes[1] ** 2) ** 0.5 / 2
    for start in ("image", "random"):
        record = GradSum(start=start).step(model, given, sgd(model, rate=0.0))
        assert record.measures["summed_norm"].item() == pytest.approx(expected, rel=1e-5)


def test_without_weight_it_is_fgsm_or_rs_fgsm_bit_for_bit():
    for start, other in (("image", FGSM()), ("random", RSFGSM(alpha=16 / 255))):
        ours, record = stepped(GradSum(weight=0, start=start), batch())
        theirs, expected = stepped(other, batch())
        assert torch.equal(record.delta, expected.delta)
        assert torch.equal(record.update_gradient, expected.update_gradient)
        for first, second in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
            assert torch.equal(first, second)


@pytest.mark.parametrize("start", ["image", "random"])
def test_the_term_shortens_gradients(start):
    """Where the authors' code leaves the term without a gradient, weights with and without it would be the same."""
    lengths = []
    for weight in (0.0, 2.0):
        model = conv_net(norm=False)
        method = GradSum(weight=weight, start=start)
        for seed in range(5):
            record = method.step(model, batch(seed=seed), sgd(model))
        lengths.append(record.measures["summed_norm"].item())
    assert lengths[1] < 0.9 * lengths[0]


@pytest.mark.parametrize("start", ["image", "random"])
def test_declared_passes_refusals_and_round_trip(start):
    method = GradSum(weight=3, start=start, alpha="8/255", bn_mode="eval")
    model = PassCounter(conv_net(), 6)
    method.step(model, batch(), sgd(model))
    cost = method.cost_per_step()
    assert (model.forwards, model.backwards) == (cost.forward, cost.backward)
    assert model.network[1].num_batches_tracked == 1  # by the attacked images
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="start"):
        METHODS.parse({"name": "gradsum", "start": "zero"})
    l2 = stepped(method, batch(ThreatModel(0.5, "l2")))[1]
    assert l2.delta.flatten(1).norm(dim=1).max() <= 0.5 + 1e-5
