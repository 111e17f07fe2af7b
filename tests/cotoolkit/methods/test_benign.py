"""BAT-style training: flags, weights and their controls, the step by hand, and given flags."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, NFGSM, PGD, RSFGSM, Batch, BenignStyle
from cotoolkit.methods._weighting.suspicion import effective_size, suspicion
from cotoolkit.methods.benign import benign_weights, opposite_weights
from cotoolkit.training.trainer import Trainer
from tests._helpers.networks import Linear, conv_net
from tests._helpers.small import small
from tests._helpers.stepping import batch, sgd, stepped
from tests._helpers.worked_logits import LABELS, WORKED

ACTIVE = {"start": 0.0}


class Constant(nn.Module):
    """Returns the worked example's logits, whatever it sees."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(WORKED.clone())

    def forward(self, images):
        return self.logits + 0 * images.sum()


# --- weights (1.6, 1.7) -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        (1, [0.779, 0.607, 0.472, 0.407, 0.368]),
        (2, [0.607, 0.368, 0.223, 0.165, 0.135]),
        (4, [0.368, 0.135, 0.050, 0.027, 0.018]),
    ],
)
def test_weights_of_the_table(alpha, expected):
    q = torch.tensor([0.25, 0.5, 0.75, 0.9, 1.0])
    weights = benign_weights(q, torch.ones(5, dtype=torch.bool), alpha)
    assert [round(w, 3) for w in weights.tolist()] == expected


@pytest.mark.parametrize(
    ("alpha", "tau", "second", "fifth", "mean", "normalised"),
    [
        (1, 0, 0.402748, 0.439812, 0.791678, 1.030143),
        (1, 0.9, 0.402748, 1, 1.037795, 1.178576),
        (2, 0, 0.162206, 0.193434, 0.534541, 0.796481),
        (2, 0.9, 0.162206, 1, 0.888903, 1.067826),
    ],
)
def test_losses_of_the_worked_example(alpha, tau, second, fifth, mean, normalised):
    confidence, flagged = suspicion(WORKED, LABELS, tau)
    weights = benign_weights(confidence, flagged, alpha)
    torch.testing.assert_close(weights, torch.tensor([1, second, 1, 1, fifth]), atol=1e-6, rtol=0)
    losses = []
    images = torch.rand(5, 1, 2, 2)
    for reduction in ("mean", "normalised"):
        method = BenignStyle(alpha=alpha, tau=tau, reduction=reduction, **ACTIVE)
        given = Batch(images, LABELS, ThreatModel(0.1), torch.Generator())
        record = method.step(Constant(), given, lambda loss: losses.append(loss.item()))
        torch.testing.assert_close(
            record.losses,
            torch.tensor([0.239545, 3.094923, 0.407606, 1.098612, 2.196734]),
            atol=1e-6,
            rtol=0,
        )
    assert losses == pytest.approx([mean, normalised], abs=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "normalised"])
def test_the_weights_have_no_gradient(reduction):
    losses = []
    model = Constant()
    method = BenignStyle(alpha=2, reduction=reduction, **ACTIVE)
    given = Batch(torch.rand(5, 1, 2, 2), LABELS, ThreatModel(0.1), torch.Generator())
    method.step(model, given, losses.append)
    (found,) = torch.autograd.grad(losses[0], model.logits)
    weights = torch.tensor([1, 0.162206, 1, 1, 0.193434])
    weights = weights / (5 if reduction == "mean" else weights.sum())
    onehot = F.one_hot(LABELS, 3)
    torch.testing.assert_close(found, weights[:, None] * (WORKED.softmax(1) - onehot), atol=1e-6, rtol=1e-5)


logit_rows = st.integers(2, 6).flatmap(
    lambda classes: st.lists(
        st.tuples(st.lists(st.floats(-8, 8), min_size=classes, max_size=classes), st.integers(0, classes - 1)),
        min_size=2,
        max_size=12,
    )
)


@settings(max_examples=80, deadline=None)
@given(logit_rows, st.floats(0, 5), st.floats(0, 1))
def test_properties_of_the_weights(rows, alpha, tau):
    logits, labels = torch.tensor([row for row, _ in rows]), torch.tensor([label for _, label in rows])
    confidence, flagged = suspicion(logits, labels, tau)
    assert bool(((confidence >= 0) & (confidence <= 1)).all())
    wrong = logits.argmax(1) != labels
    assert not (flagged & ~wrong & (logits.amax(1) > logits.scatter(1, labels[:, None], -torch.inf).amax(1))).any()
    weights = benign_weights(confidence, flagged, alpha)
    assert bool(((weights > 0) & (weights <= 1)).all())
    assert bool((weights[~flagged] == 1).all())
    assert 1 - 1e-5 <= effective_size(weights) <= len(rows) * (1 + 1e-5)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.floats(0.05, 1), st.floats(0.1, 4))
def test_opposite_weights_have_the_same_effective_size_where_they_can(flagged_count, others, spread, alpha):
    confidence = torch.linspace(1 - spread, 1, flagged_count + others, dtype=torch.float64)
    flagged = torch.arange(flagged_count + others) < flagged_count
    weights = benign_weights(confidence, flagged, alpha)
    opposite = opposite_weights(weights, flagged)
    assert bool((opposite[flagged] == 1).all())
    assert bool(((opposite >= 0) & (opposite <= 1)).all())
    size = effective_size(weights)
    if size >= flagged_count:
        torch.testing.assert_close(effective_size(opposite), size, atol=1e-6, rtol=1e-6)
    else:
        assert bool((opposite[~flagged] == 0).all())


def test_opposite_weights_at_the_ends():
    weights = torch.tensor([0.5, 0.2, 0.3])
    everyone, nobody = torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool)
    assert opposite_weights(weights, everyone).tolist() == [1, 1, 1]
    assert opposite_weights(torch.ones(3), nobody).tolist() == [1, 1, 1]


# --- the step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [FGSM(), NFGSM(), RSFGSM(), PGD(steps=2)], ids=repr)
@pytest.mark.parametrize(
    "method",
    [
        {"alpha": 0.0, "start": 0.0},
        {"alpha": 0.0, "start": 0.0, "weights": "permuted"},
        {"alpha": 3.0, "start": 0.95},  # the batch is before the start
    ],
)
def test_without_weights_it_is_the_inner_method_bit_for_bit(inner, method):
    model, record = stepped(BenignStyle(inner=inner, **method), batch(size=12, progress=0.9))
    twin, theirs = stepped(inner, batch(size=12, progress=0.9))
    for ours, expected in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(ours, expected)
    for name in ("losses", "logits", "delta", "update_gradient"):
        assert torch.equal(getattr(record, name), getattr(theirs, name))


def test_a_step_by_hand_with_weights_and_discrimination():
    method = BenignStyle(alpha=2, beta=0.3, temperature=0.7, **ACTIVE)
    given = batch(size=12, progress=0.9)
    model, record = stepped(method, given, norm=False)
    twin = conv_net(norm=False)
    attacked, clean = given.images + record.delta, given.images
    logits = twin(attacked)
    p = logits.detach().softmax(1)
    q = p.scatter(1, given.labels[:, None], 0).amax(1)
    weights = torch.where(logits.argmax(1) != given.labels, torch.exp(-2 * q), 1.0)
    body = twin[:-1]
    z = F.normalize(torch.cat([body(attacked), body(clean)]), dim=1)
    labels = given.labels.repeat(2)
    terms = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        own = [j for j in others if labels[j] == labels[i]]
        terms.append(torch.logsumexp(z[others] @ z[i] / 0.7, 0) - torch.logsumexp(z[own] @ z[i] / 0.7, 0))
    separation = torch.stack(terms).mean()
    sgd(twin)((weights * F.cross_entropy(logits, given.labels, reduction="none")).mean() + 0.3 * separation)
    for ours, expected in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)
    assert record.measures["discrimination"].item() == pytest.approx(separation.item(), rel=1e-5)
    assert record.measures["mean_weight"].item() == pytest.approx(weights.mean().item(), rel=1e-5)
    assert record.measures["flagged"].item() == pytest.approx((logits.argmax(1) != given.labels).float().mean().item())
    assert record.measures["skipped_anchors"] == 0  # each sample has its own clean image


def test_discrimination_needs_penultimate_features():
    given = Batch(torch.rand(2, 1, 6, 6), torch.tensor([0, 1]), ThreatModel(0.1), torch.Generator())
    with pytest.raises(ModelError, match=r"ends in an nn\.Linear"):
        BenignStyle(beta=1).step(Linear(torch.ones(1, 6, 6)), given, lambda loss: None)


class FeatureCounter(nn.Module):
    """Counts forward passes, and gradients that reach the input of the last layer."""

    def __init__(self, network):
        super().__init__()
        self.network, self.forwards, self.backwards = network, 0, 0
        network[-1].register_forward_pre_hook(self._hook)

    def _hook(self, layer, inputs):
        if inputs[0].requires_grad:
            inputs[0].register_hook(self._count)

    def _count(self, _):
        self.backwards += 1

    def forward(self, images):
        self.forwards += 1
        return self.network(images)


@pytest.mark.parametrize(
    "method",
    [
        BenignStyle(alpha=2, **ACTIVE),
        BenignStyle(alpha=2, beta=0.5, **ACTIVE),
        BenignStyle(alpha=0, beta=0.5),
        BenignStyle(inner=PGD(steps=3), beta=0.5),
        BenignStyle(inner=PGD(steps=3), weights="opposite", **ACTIVE),
    ],
    ids=repr,
)
@pytest.mark.parametrize("trace", [True, False])
def test_declared_passes_are_the_counted_ones(method, trace):
    model = FeatureCounter(conv_net())
    method.step(model, batch(size=12, trace=trace, progress=0.9), sgd(model))
    cost = method.cost_per_step()
    assert (model.forwards, model.backwards) == (cost.forward, cost.backward)


def test_controls_of_the_weights():
    given = batch(size=40, progress=0.9)
    losses, records = {}, {}
    for kind in ("online", "permuted", "scaled", "opposite"):
        method = BenignStyle(alpha=2, weights=kind, **ACTIVE)
        found = []
        records[kind] = method.step(conv_net(norm=False), batch(size=40, progress=0.9), found.append)
        losses[kind] = found[0].item()
    confidence, flagged = suspicion(records["online"].logits, given.labels)
    assert 0 < flagged.sum() < 40
    weights = benign_weights(confidence, flagged, 2)
    ce = records["online"].losses
    assert losses["online"] == pytest.approx((weights * ce).mean().item(), rel=1e-5)
    assert losses["scaled"] == pytest.approx((weights.mean() * ce.mean()).item(), rel=1e-5)
    assert losses["opposite"] == pytest.approx((opposite_weights(weights, flagged) * ce).mean().item(), rel=1e-5)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    assert losses["permuted"] == pytest.approx((weights[order] * ce).mean().item(), rel=1e-5)
    for kind in ("permuted", "scaled"):
        assert records[kind].measures["mean_weight"].item() == pytest.approx(weights.mean().item(), rel=1e-6)
    for kind in ("permuted", "opposite"):
        assert records[kind].measures["effective_size"].item() == pytest.approx(
            effective_size(weights).item(), rel=1e-5
        )


# --- given flags ------------------------------------------------------------------------------------------------------


def flags_file(path, marks):
    np.save(path, np.asarray(marks))
    return str(path)


def test_given_flags_are_looked_up_by_index(tmp_path):
    marks = np.arange(100) % 3 == 0
    given = batch(size=12, progress=0.9, indices=torch.arange(12) * 7)
    method = BenignStyle(alpha=2, weights="given", flags=flags_file(tmp_path / "f.npy", marks), **ACTIVE)
    found = []
    record = method.step(conv_net(norm=False), given, found.append)
    confidence, _ = suspicion(record.logits, given.labels)
    weights = benign_weights(confidence, torch.from_numpy(marks[np.arange(12) * 7]), 2)
    assert found[0].item() == pytest.approx((weights * record.losses).mean().item(), rel=1e-5)
    with pytest.raises(ConfigError, match="does not say which training images"):
        method.step(conv_net(), batch(size=12, progress=0.9), lambda loss: None)


def test_flags_are_part_of_the_identity_and_must_fit(tmp_path):
    path = tmp_path / "f.npy"
    flags_file(path, np.zeros(320, dtype=bool))
    method = {"name": "benign", "weights": "given", "flags": str(path)}
    config = small(method=method)
    assert config.method.flags.startswith(f"{path}#")
    assert RunConfig.parse(config.to_data()) == config
    Trainer(config, device="cpu")
    flags_file(path, np.ones(300, dtype=bool))
    again = small(method=method)
    assert again.identity != config.identity
    with pytest.raises(ConfigError, match=r"method\.flags: .* has 300 marks, but there are 320 training images"):
        Trainer(again, device="cpu")
    path.unlink()
    with pytest.raises(ConfigError, match="no marks file"):
        small(method=method)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no array", "is no .npy file"),
        (np.zeros(3), r"holds float64 of shape \(3,\); give one bool per training image"),
        (np.zeros((2, 2), dtype=bool), r"shape \(2, 2\)"),
    ],
)
def test_flags_that_are_no_marks(tmp_path, content, message):
    path = tmp_path / "f.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    method = BenignStyle(weights="given", flags=str(path))
    with pytest.raises(ConfigError, match=message):
        method.check_data(3)
    path.write_bytes(b"another")
    with pytest.raises(ConfigError, match="has changed since"):
        method.check_data(3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weights": "given"}, "go together"),
        ({"weights": "scaled", "reduction": "normalised"}, "normalising undoes them"),
        ({"tau": 1.5}, "less than or equal to 1"),
        ({"temperature": 0}, "greater than 0"),
        ({"inner": "standard"}, "not an attack alone"),
        ({"weights": "inverse"}, "'online', 'permuted'"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(InvalidFields, match=message):
        BenignStyle(**fields)


def test_json_round_trip():
    method = BenignStyle(inner=PGD(steps=3), alpha=2, beta="1/2")
    assert METHODS.parse(METHODS.dump(method)) == method
    assert METHODS.parse("BAT-style") == BenignStyle()


def test_the_trainer_gets_the_measures():
    config = small(method={"name": "benign", "alpha": 2, "beta": 0.1, "start": 0.3})
    trainer = Trainer(config, device="cpu")
    record, _ = trainer.step()
    assert set(record.measures) == {
        *("flagged", "mean_weight", "effective_size", "flagged_confidence", "discrimination", "skipped_anchors")
    }
    assert record.measures["mean_weight"] == 1
