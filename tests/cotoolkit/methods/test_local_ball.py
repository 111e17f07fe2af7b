"""Local-ball training: the identities of its spec, its inner search, and its declared cost."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, NFGSM, PGD, RSFGSM, GradAlign, LocalBall
from cotoolkit.methods._terms.divergence import kl_divergence
from cotoolkit.methods._terms.local_terms import LocalSample, local_term
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.stepping import batch, sgd, stepped

MEASURES = ("base", "global_term", "local_start", "local", "local_reach")


def weights(model):
    return torch.cat([parameter.flatten() for parameter in model.parameters()])


def weights_after(method, given, *, norm=True):
    model, record = stepped(method, given, norm=norm)
    return weights(model), record


# ----------------------------------------------------------------------------------------------------------- integrands


@pytest.mark.parametrize("integrand", ["kl", "squared"])
def test_a_start_at_the_adversary_has_zero_gradient(integrand):
    # The bug that the random start prevents: sign(0) = 0, and the regulariser is silently absent for ever.
    given, model = batch(), conv_net(norm=False)
    point = given.images.clone().requires_grad_()
    centre = LocalSample(given.images, model(given.images).detach())
    (gradient,) = torch.autograd.grad(
        local_term(integrand, centre, LocalSample(point, model(point)), given.labels), point
    )
    assert gradient.abs().max() < 1e-6
    for steps in (0, 1, 3):
        _, record = weights_after(LocalBall(integrand=integrand, steps=steps, rho=1.0), given)
        assert record.measures["local_start"] > 0
        assert record.measures["local_reach"] == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("integrand", ["kl", "squared", "ce", "linearity"])
def test_inner_steps_raise_the_integrand(integrand):
    method = LocalBall(integrand=integrand, steps=3, rho=2.0, batch_norm="apart")
    _, record = weights_after(method, batch(ThreatModel(0.1)), norm=False)
    assert record.measures["local"] > 1.02 * record.measures["local_start"]


# ----------------------------------------------------------------------------------------------------------- identities


@pytest.mark.parametrize("inner", [FGSM(), RSFGSM(), NFGSM(), PGD(steps=2)], ids=repr)
@pytest.mark.parametrize("batch_norm", ["together", "apart"])
def test_without_lambda_preset_m_is_the_inner_method_bit_for_bit(inner, batch_norm):
    expected, plain = weights_after(inner, batch())
    found, record = weights_after(LocalBall(inner=inner, lambda_local=0, batch_norm=batch_norm), batch())
    assert torch.equal(found, expected)
    assert torch.equal(record.update_gradient, plain.update_gradient)
    assert torch.equal(record.losses, plain.losses)
    assert set(record.measures) == set(MEASURES)
    assert record.measures["local"].isnan()


@pytest.mark.parametrize("batch_norm", ["together", "apart"])
def test_without_lambda_preset_t_is_trades_with_a_cross_entropy_attack(batch_norm):
    given, twin = batch(), conv_net()
    found, record = weights_after(
        LocalBall(preset="T", lambda_local=0, lambda_global=2.0, batch_norm=batch_norm), given
    )
    delta = attacks.fgsm(twin, given.images, given.labels, given.threat).delta
    moved = (given.images + delta).requires_grad_()
    if batch_norm == "together":
        adversarial, clean = twin(torch.cat([moved, given.images])).chunk(2)
    else:
        adversarial, clean = twin(moved), twin(given.images)
    p, q = clean.softmax(1), adversarial.softmax(1)
    divergence = (p * (p.log() - q.log())).sum(1).mean()
    loss = F.cross_entropy(clean, given.labels) + 2 * divergence
    sgd(twin)(loss)
    torch.testing.assert_close(found, weights(twin), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(record.measures["global_term"], divergence.detach())
    torch.testing.assert_close(record.update_gradient, moved.grad * 3, atol=1e-6, rtol=1e-4)  # 6 samples / lambda 2


@pytest.mark.parametrize("integrand", ["kl", "squared", "linearity"])
@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("preset", ["M", "T"])
def test_a_ball_of_one_point_adds_nothing(integrand, steps, preset):
    given = batch(progress=0.5)
    method = LocalBall(integrand=integrand, rho=0, steps=steps, preset=preset, batch_norm="apart")
    found, record = weights_after(method, given, norm=False)
    expected, _ = weights_after(dataclasses.replace(method, lambda_local=0), given, norm=False)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)
    assert record.measures["local_reach"].isnan()


@pytest.mark.parametrize("steps", [1, 3])
def test_cross_entropy_at_rho_2_is_a_fresh_attack_on_the_whole_threat_set(steps):
    threat, seen = ThreatModel(0.1, "linf", "none"), []
    model, given = conv_net(norm=False), batch(threat)
    hook = model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    LocalBall(integrand="ce", rho=2.0, steps=steps, batch_norm="apart").step(model, given, sgd(model))
    hook.remove()
    step = 0.2 if steps == 1 else 0.1
    fresh = attacks.pgd(
        conv_net(norm=False), given.images, given.labels, threat,
        generator=torch.Generator().manual_seed(0), steps=steps, alpha=step,
    )  # fmt: skip
    torch.testing.assert_close(seen[-1], given.images + fresh.delta, atol=1e-6, rtol=0)


def test_alignment_at_the_clean_centre_is_gradalign():
    threat = ThreatModel(0.1, "linf", "none")
    method = LocalBall(
        integrand="alignment", centre="clean", rho=1.0, steps=0, lambda_local=0.7, ramp=0, detach_reference=True,
        batch_norm="apart",
    )  # fmt: skip
    found, _ = weights_after(method, batch(threat), norm=False)
    expected, _ = weights_after(GradAlign(weight=0.7), batch(threat), norm=False)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("batch_norm", ["together", "apart"])
def test_the_whole_loss_by_hand(batch_norm):
    """Preset T around a random corner with two inner steps, written out."""
    threat = ThreatModel(0.1, "linf", "none")
    given, twin, draws = batch(threat, progress=0.1), conv_net(), torch.Generator().manual_seed(0)
    method = LocalBall(preset="T", centre="random_corner", steps=2, rho=0.5, lambda_local=3.0, batch_norm=batch_norm)
    found, record = weights_after(method, given)
    x = given.images
    adversary = x + attacks.fgsm(twin, x, given.labels, threat).delta
    corner = x + 0.1 * ((torch.rand(x.shape, generator=draws) < 0.5) * 2.0 - 1)
    low, high = torch.maximum(corner - 0.05, x - 0.1), torch.minimum(corner + 0.05, x + 0.1)
    u = low + torch.rand(x.shape, generator=draws) * (high - low)
    with attacks.attack_mode(twin, "train"):
        reference = twin(corner).detach()
        for _ in range(2):
            u.requires_grad_()
            (gradient,) = torch.autograd.grad(kl_divergence(reference, twin(u)).sum(), u)
            u = (u.detach() + 0.025 * gradient.sign()).clamp(low, high)
    if batch_norm == "together":
        a, b, c, d = twin(torch.cat([adversary, x, corner, u])).chunk(4)
    else:
        a, b, c, d = (twin(points) for points in (adversary, x, corner, u))
    loss = F.cross_entropy(b, given.labels) + 6 * kl_divergence(b, a).mean()
    local = kl_divergence(c, d).mean()
    sgd(twin)(loss + 3.0 * 0.5 * local)  # half of the ramp's 0.2 is done
    torch.testing.assert_close(found, weights(twin), atol=2e-6, rtol=1e-4)
    torch.testing.assert_close(record.measures["local"], local.detach(), atol=1e-6, rtol=1e-3)


def test_the_weight_grows_over_the_ramp():
    given = batch()
    plain, _ = weights_after(LocalBall(lambda_local=0), given, norm=False)
    at_first, record = weights_after(LocalBall(), given, norm=False)
    torch.testing.assert_close(at_first, plain)  # the local term is looked at, and weighs nothing yet
    assert record.measures["local"] > 0
    half, full, late = (
        weights_after(LocalBall(), batch(progress=progress), norm=False)[0] for progress in (0.1, 0.2, 0.9)
    )
    torch.testing.assert_close(full, late)
    torch.testing.assert_close(half - plain, (full - plain) / 2, atol=1e-6, rtol=1e-2)


def test_detached_references_change_the_gradient_only():
    given = batch(progress=0.5)
    one, record = weights_after(LocalBall(preset="T"), given)
    given = batch(progress=0.5)
    two, detached = weights_after(LocalBall(preset="T", detach_reference=True), given)
    assert not torch.allclose(one, two)
    for name in MEASURES:
        torch.testing.assert_close(record.measures[name], detached.measures[name])


# ----------------------------------------------------------------------------------------------------------------- cost

COSTS = [  # forward-backward units of the spec's table 1.8; a lone forward is one half
    ("M, K=1, m=0", LocalBall(steps=0), 3.0),
    ("T, K=1, m=0", LocalBall(preset="T", steps=0), 4.0),
    ("M, K=1, m=1", LocalBall(), 4.5),
    ("T, K=1, m=1", LocalBall(preset="T"), 5.5),
    ("M, K=2, m=1", LocalBall(inner=PGD(steps=2)), 5.5),
    ("T, K=2, m=1", LocalBall(inner=PGD(steps=2), preset="T"), 6.5),
    ("T, K=10, m=1", LocalBall(inner=PGD(steps=10), preset="T"), 14.5),
    # Not in the table: passes that are shared, left out, or come on top.
    ("one forward serves twice", LocalBall(batch_norm="apart"), 4.0),
    ("no reference needed", LocalBall(integrand="ce"), 4.0),
    ("a centre of its own", LocalBall(centre="random_corner"), 5.5),
    ("the centre is there already", LocalBall(centre="clean", preset="T"), 5.5),
    ("no local term", LocalBall(lambda_local=0, preset="T"), 3.0),
]


@pytest.mark.parametrize(("method", "units"), [row[1:] for row in COSTS], ids=[row[0] for row in COSTS])
def test_cost_in_units(method, units):
    cost = method.cost_per_step()
    assert (cost.forward + cost.backward) / 2 == units


SETTINGS = [
    {"preset": preset, "integrand": integrand, "steps": steps, "centre": centre, "batch_norm": norm, "bn_mode": mode,
     "detach_reference": detach}
    for preset in ("M", "T")
    for integrand, steps in (("kl", 0), ("kl", 2), ("ce", 1), ("squared", 1), ("linearity", 0), ("linearity", 1),
                             ("alignment", 0))
    for centre in ("adversary", "clean", "random_corner")
    for norm in ("together", "apart")
    for mode in ("train", "eval")
    for detach in (False, True)
]  # fmt: skip


@pytest.mark.parametrize("integrand", ["kl", "ce", "squared", "linearity", "alignment"])
def test_declared_passes_are_the_counted_ones_in_every_setting(integrand):
    for place, fields in enumerate(fields for fields in SETTINGS if fields["integrand"] == integrand):
        trace = place % 3 == 0
        given = batch(trace=trace)
        method, model = LocalBall(**fields), PassCounter(conv_net(), len(given.images))
        record = method.step(model, given, sgd(model))
        cost = method.cost_per_step()
        assert (model.forwards, model.backwards) == (cost.forward, cost.backward), fields
        assert (record.update_gradient is not None) == trace
        assert set(record.measures) == set(MEASURES)
        assert not any(measure.requires_grad for measure in record.measures.values())


def test_impossible_settings():
    with pytest.raises(InvalidFields, match="set steps=0"):
        LocalBall(integrand="alignment")
    with pytest.raises(InvalidFields, match="set clipped=False"):
        LocalBall(inner=NFGSM())
    LocalBall(inner=NFGSM(), clipped=False)
    with pytest.raises(InvalidFields, match="lp_fgsm leaves the threat set"):
        METHODS.parse({"name": "local_ball", "inner": {"name": "lp_fgsm", "start": "released"}})
    METHODS.parse({"name": "local_ball", "inner": "lp_fgsm"})


def test_another_norm_is_refused_where_there_is_a_ball():
    with pytest.raises(ConfigError, match="local_ball has no l2 form: its balls are bounds of each pixel"):
        RunConfig.parse({"method": "local_ball", "norm": "l2", "epsilon": 0.5})
    RunConfig.parse({"method": "local_ball"})
    alone = RunConfig.parse({"method": {"name": "local_ball", "lambda_local": 0}, "norm": "l2", "epsilon": 0.5})
    assert weights_after(alone.method, batch(alone.threat))[0].isfinite().all()
    with pytest.raises(ConfigError, match="lp_fgsm has no l2 form"):  # nor what its inner attack refuses
        RunConfig.parse(
            {"method": {"name": "local_ball", "lambda_local": 0, "inner": "lp_fgsm"}, "norm": "l2", "epsilon": 0.5}
        )
