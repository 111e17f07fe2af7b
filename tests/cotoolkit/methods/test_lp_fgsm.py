"""lp-FGSM against its formula sample by sample, at both ends of p, and by hand."""

import math

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, Batch
from cotoolkit.methods.lp_fgsm import LpFGSM, adaptive_q, entropy_gap, lp_direction
from tests._helpers.networks import Linear, PassCounter, conv_net
from tests._helpers.slow_attacks import (
    EPSILON,
    attempt,
    slow_attack_gradients,
    slow_losses,
    slow_projection,
    slow_start,
    smooth_batch,
    smooth_net,
    weight_gradient,
)
from tests._helpers.stepping import batch, sgd


def slow_q(gradient, p, beta):
    """From the entries of one gradient, one by one."""
    if p is not None:
        return p / (p - 1)
    floor = 1e-12 * gradient.abs().max().item()  # noise that the box took away is 0
    sizes = [max(size, floor) for size in gradient.abs().flatten().tolist()]
    shares = [size / sum(sizes) for size in sizes]
    entropy = -sum(share * math.log(share) for share in shares)
    mean_log = -sum(math.log(share) for share in shares) / len(shares)
    return min(2.0, max(1.00098, 1 + beta / (mean_log - entropy)))


def slow_direction(gradients, p, beta):
    found = []
    for one in gradients:
        q = slow_q(one, p, beta)
        norm = sum(size**q for size in one.abs().flatten().tolist()) ** (1 / q)
        found.append(one.sign() * (one.abs() / norm) ** (q - 1))
    return torch.stack(found)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("p", "beta"), [(None, 0.01), (None, 0.3), (32, 0.01), (2, 0.01)])
@pytest.mark.parametrize("start", ["image", "released"])
def test_a_step_against_the_formula_sample_by_sample(seed, p, beta, start):
    model, given = smooth_net(seed), smooth_batch(seed)
    record, taken, _ = attempt(LpFGSM(p=p, beta=beta, start=start), model, given)

    seen, shift, reach = given.images, 0.0, EPSILON
    if start == "released":
        draws = torch.Generator().manual_seed(seed)
        shift = slow_projection(given.images, slow_start(given.images, EPSILON, "linf", draws), EPSILON)
        reach = 2 * EPSILON
        seen = seen + slow_projection(seen, EPSILON * slow_direction(shift, p, beta), reach)
    gradients = slow_attack_gradients(model, seen, given.labels)
    delta = slow_projection(given.images, shift + EPSILON * slow_direction(gradients, p, beta), reach)
    torch.testing.assert_close(record.delta, delta, atol=1e-5, rtol=0)
    expected = weight_gradient(slow_losses(model, given.images + delta, given.labels).mean(), model)
    torch.testing.assert_close(taken, expected, atol=1e-5, rtol=1e-4)


def test_a_large_p_is_fgsm_bit_for_bit_and_two_is_the_l2_step():
    given, models = batch(), [conv_net(), conv_net()]
    ours = LpFGSM(p=1e12).step(models[0], given, sgd(models[0]))
    theirs = FGSM().step(models[1], given, sgd(models[1]))
    assert torch.equal(ours.delta, theirs.delta)
    assert torch.equal(models[0][0].weight, models[1][0].weight)
    gradient = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    unit = ThreatModel(1.0, "l2").steepest(gradient)
    torch.testing.assert_close(lp_direction(gradient, torch.full((4,), 2.0)), unit)
    for q in (1.001, 1.2, 1.7):
        step = lp_direction(gradient, torch.full((4,), q)).double().flatten(1)
        length = step.abs().pow(q / (q - 1)).sum(1)
        torch.testing.assert_close(length, torch.ones(4, dtype=torch.float64), atol=2e-3, rtol=0)


def test_the_rule_by_hand():
    # Shares 4/6, 1/6, 1/6: entropy 0.8676, mean log 1.3297.
    gradient = torch.tensor([[4.0, -1.0, 1.0], [1.0, 1.0, -1.0], [0.0, 0.0, 0.0], [1e-30, 0.0, 0.0]])
    gaps = entropy_gap(gradient)
    assert gaps[:3].tolist() == pytest.approx([1.329661 - 0.867563, 0, 0], abs=1e-5)
    found = adaptive_q(gradient, 0.1)
    assert found.tolist() == pytest.approx([1 + 0.1 / 0.462098, 2.0, 2.0, 1 + 0.1 / gaps[3].item()], abs=1e-4)
    assert adaptive_q(gradient[:1], 1e-6).item() == pytest.approx(1.00098)
    assert adaptive_q(1e-25 * gradient, 0.1)[0].item() == pytest.approx(found[0].item(), abs=1e-5)  # of any scale
    step = lp_direction(gradient, found)
    assert step[2].abs().max() == 0
    assert step.isfinite().all()


def test_an_attack_by_hand():
    # p = 3 is q = 1.5, so that the step is epsilon (|g| / norm_q)^0.5; g is a multiple of the weights.
    model = Linear(torch.tensor([[[4.0, -1.0], [0.0, 1.0]]]))
    given = Batch(torch.full((1, 1, 2, 2), 0.5), torch.tensor([0]), ThreatModel(0.1), torch.Generator())
    norm = (8 + 1 + 1) ** (2 / 3)
    expected = [0.1 * (4 / norm) ** 0.5, -0.1 * (1 / norm) ** 0.5, 0, 0.1 * (1 / norm) ** 0.5]
    assert LpFGSM(p=3).attack(model, given).delta.flatten().tolist() == pytest.approx(expected, rel=1e-5)


def test_refusals():
    with pytest.raises(ConfigError, match="lp_fgsm has no l2 form"):
        RunConfig.parse({"method": "lp_fgsm", "norm": "l2"})
    with pytest.raises(InvalidFields, match="greater than or equal to 2"):
        LpFGSM(p=1.5)


@pytest.mark.parametrize("method", [LpFGSM(), LpFGSM(p=16, start="released", bn_mode="eval")])
def test_cost_and_settings(method):
    assert METHODS.parse(METHODS.dump(method)) == method
    given = batch()
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
