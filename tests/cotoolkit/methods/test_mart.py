"""MART against loops over samples, its runner-up by hand, and its limits."""

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS
from cotoolkit.methods.mart import MART, runner_up_loss
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.slow_losses import clipped, slope, smooth_batch, smooth_net, stepped_apart, uphill, weight_gradient
from tests._helpers.stepping import batch, sgd, stepped


def probabilities(network, point):
    powers = network(point[None])[0].exp()
    return powers / powers.sum()


def plain_mart(network, given, *, seed, epsilon, norm, beta, steps, alpha, scale):
    """The total loss, its two parts and the perturbations, sample by sample."""
    starts = torch.randn(given.images.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    base, term, deltas, count = 0, 0, [], len(given.images)
    for image, label, start in zip(given.images, given.labels, scale * starts, strict=True):
        delta = start.double()
        for _ in range(steps):
            delta = clipped(image, delta + alpha * uphill(slope(network, image + delta, label), norm), epsilon, norm)
        deltas.append(delta)
        clean, attacked = probabilities(network, image), probabilities(network, image + delta)
        others = [attacked[k] for k in range(len(attacked)) if k != label]
        base = base - (attacked[label].log() + (1.0001 - max(others)).log()) / count
        term = term + (1 - clean[label]) * (clean * (clean.log() - attacked.log())).sum() / count
    return base + beta * term, base, term, torch.stack(deltas)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_mart_against_loops_over_samples(seed, norm):
    network, given = smooth_net(seed), smooth_batch(seed, norm, 0.4)
    method = MART(beta=4.0, steps=3, alpha=0.2, start_scale=0.05)
    found, record, _ = stepped_apart(method, network, given)
    total, base, term, deltas = plain_mart(
        network, given, seed=seed, epsilon=0.4, norm=norm, beta=4.0, steps=3, alpha=0.2, scale=0.05
    )
    torch.testing.assert_close(record.delta, deltas, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(record.measures["base"].double(), base.detach(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(record.measures["global_term"].double(), term.detach(), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(found, weight_gradient(total, network), atol=1e-6, rtol=1e-4)


def test_runner_ups_by_hand():
    logits = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.7, 0.1], [1e-30, 1.0, 1e-30]]).log()
    labels = torch.tensor([0, 2, 0])
    expected = -torch.tensor([0.7001, 0.3001, 0.0001]).log()  # beside 0.5 stands 0.3; beside 0.1, 0.7; all on another
    torch.testing.assert_close(runner_up_loss(logits, labels), expected, atol=1e-3, rtol=1e-4)


def test_confident_right_images_have_no_divergence_to_pay():
    """With p_y(x) = 1 the weight of the divergence is 0 whatever beta is."""
    model, twin = conv_net(norm=False), conv_net(norm=False)
    for one in (model, twin):
        with torch.no_grad():
            one[5].bias.copy_(torch.tensor([60.0, 0, 0, 0]))
    given = batch()
    given.labels.zero_()
    for one, beta in ((model, 0.0), (twin, 100.0)):
        fresh = type(given)(given.images, given.labels, given.threat, torch.Generator().manual_seed(0))
        MART(beta=beta, steps=1).step(one, fresh, sgd(one))
    for first, second in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(first, second)


def test_without_steps_of_length_it_stays_at_its_start_and_the_default_step_scales():
    record = stepped(MART(alpha=0), batch())[1]
    torch.testing.assert_close(record.delta, batch().threat.project(batch().images, record.attack.start))
    for epsilon in (0.031, 0.062):
        found = stepped(MART(steps=1, start_scale=0), batch(ThreatModel(epsilon)))[1].delta.abs().max()
        assert found.item() == pytest.approx(7 / 31 * epsilon, rel=1e-5)


@pytest.mark.parametrize("bn_mode", ["train", "eval"])
def test_declared_passes_refusals_and_round_trip(bn_mode):
    method = MART(beta=1, steps=2, bn_mode=bn_mode)
    model = PassCounter(conv_net(), 6)
    method.step(model, batch(), sgd(model))
    assert (model.forwards, model.backwards, 0) == method.cost_per_step()
    assert model.network[1].num_batches_tracked == 2  # by the images and the attacked images, both trained on
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="steps"):
        METHODS.parse({"name": "mart", "steps": 0})
