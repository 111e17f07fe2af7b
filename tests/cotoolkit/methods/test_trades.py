"""TRADES against a plain reimplementation with autograd, and its limits."""

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods import TRADES, Standard
from cotoolkit.methods._terms.divergence import kl_divergence
from tests._helpers.networks import conv_net
from tests._helpers.stepping import batch, sgd


def plain_trades(model, given, *, beta, steps, alpha, scale, seed, eval_attack):
    """Algorithm 1 as in the authors' code, which makes every forward pass anew."""
    images, epsilon = given.images, given.threat.epsilon
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.train(not eval_attack)
    moved = images + scale * torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        p = F.softmax(model(images).detach(), 1)
        loss = F.kl_div(F.log_softmax(model(moved), 1), p, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, moved)
        if given.threat.norm == "l2":
            direction = gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None]
            inside = (moved.detach() + alpha * direction).clamp(0, 1) - images  # our order: box, then ball
            length = inside.flatten(1).norm(dim=1)[:, None, None, None]
            moved = images + inside * (epsilon / length).clamp(max=1)
        else:
            moved = moved.detach() + alpha * gradient.sign()
            moved = torch.min(torch.max(moved, images - epsilon), images + epsilon).clamp(0, 1)
    model.train()
    for name, buffer in model.named_buffers():  # only the update may change them
        buffer.copy_(buffers[name])
    moved = moved.detach().requires_grad_()
    clean, logits = model(images), model(moved)
    kl = F.kl_div(F.log_softmax(logits, 1), F.softmax(clean, 1), reduction="sum") / len(images)
    return F.cross_entropy(clean, given.labels) + beta * kl, kl, moved


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("bn_mode", ["train", "eval"])
def test_trades_against_plain_autograd(norm, bn_mode):
    model, twin = conv_net(), conv_net()
    given = batch(ThreatModel(0.06 if norm == "linf" else 0.5, norm))
    method = TRADES(beta=3.0, steps=4, alpha=0.02 if norm == "linf" else 0.2, start_scale=0.01, bn_mode=bn_mode)
    record = method.step(model, given, sgd(model))
    loss, kl, moved = plain_trades(
        twin, given, beta=3.0, steps=4, alpha=method.alpha, scale=0.01, seed=0, eval_attack=bn_mode == "eval"
    )
    sgd(twin)(loss)
    # Near its start the divergence's gradient is a difference of nearly equal predictions: float32 leaves 4 digits.
    torch.testing.assert_close(given.images + record.delta, moved.detach(), atol=5e-5, rtol=0)
    for ours, theirs in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(record.measures["global_term"], kl.detach(), atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(record.measures["base"] + 3 * kl.detach(), loss.detach())
    torch.testing.assert_close(record.update_gradient, moved.grad * 6 / 3, atol=1e-5, rtol=1e-3)


def test_without_beta_it_is_clean_training():
    model, twin, given = conv_net(norm=False), conv_net(norm=False), batch()
    record = TRADES(beta=0).step(model, given, sgd(model))
    Standard().step(twin, given, sgd(twin))
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert record.update_gradient.isnan().all()


def test_the_attack_raises_the_divergence_and_stays_in_the_ball():
    given = batch(ThreatModel(0.1))
    for steps in (1, 10):
        model = conv_net()
        record = TRADES(steps=steps).step(model, given, sgd(model))
        assert record.delta.abs().max() <= 0.1 + 1e-6
        assert record.measures["global_term"] > 10 * kl_divergence(*2 * [record.attack.logits]).mean()
        before = record.attack.start.abs().max()
        assert before < 0.01
    fewer = TRADES(steps=1, alpha=0.0).step(conv_net(), given, sgd(conv_net()))
    assert record.measures["global_term"] > 100 * fewer.measures["global_term"]


def test_golden_divergences():
    # The spec's numbers for softmax of (2, 0, 0) and (1, 1, 0).
    first, second = torch.tensor([[2.0, 0, 0]]), torch.tensor([[1.0, 1, 0]])
    assert kl_divergence(first, second).item() == pytest.approx(0.302929, abs=1e-6)
    assert kl_divergence(second, first).item() == pytest.approx(0.377550, abs=1e-6)
    variation = (first.softmax(1) - second.softmax(1)).abs().sum().item() / 2
    assert variation == pytest.approx(0.364667, abs=1e-6)
    assert variation <= (kl_divergence(first, second).item() / 2) ** 0.5 == pytest.approx(0.389184, abs=1e-6)
