import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields, UnknownName
from cotoolkit.methods import DOM, FGSM, METHODS, NFGSM, PGD, AttackMethod, Batch, BenignStyle, GradAlign, Standard
from cotoolkit.methods._terms.misalignment import misalignment
from cotoolkit.methods.gradalign import published_weight
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.stepping import batch, sgd, stepped

CONFIGURED = [METHODS.parse(name) for name in METHODS.names()] + [PGD(steps=3), GradAlign(anchor="adversarial")]


@pytest.mark.parametrize("method", CONFIGURED, ids=repr)
@pytest.mark.parametrize("trace", [True, False])
def test_declared_passes_are_the_counted_ones(method, trace):
    given = batch(trace=trace)
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    cost = method.passes()
    assert (model.forwards, model.backwards) == (cost.forward, cost.backward)


@pytest.mark.parametrize("name", METHODS.names())
def test_default_cost_is_the_class_cost(name):
    assert METHODS.parse(name).passes() == METHODS[name].cost


@pytest.mark.parametrize("method", CONFIGURED, ids=repr)
def test_records_are_detached_and_of_the_right_shapes(method):
    model = conv_net()
    given = batch()
    record = method.step(model, given, sgd(model))
    assert record.losses.shape == (6,)
    assert record.logits.shape == (6, 4)
    assert not record.losses.requires_grad
    if isinstance(method, Standard):
        assert record.delta is None
        return
    assert record.delta.shape == record.update_gradient.shape == record.attack.gradient.shape == (6, 1, 6, 6)
    assert not record.delta.requires_grad
    assert not record.update_gradient.requires_grad


@pytest.mark.parametrize("method", [m for m in CONFIGURED if isinstance(m, AttackMethod)], ids=repr)
def test_a_step_is_cross_entropy_at_the_perturbed_images(method):
    model, given = conv_net(norm=False), batch()
    twin = conv_net(norm=False)
    record = method.step(model, given, sgd(model))
    delta = record.delta.clone().requires_grad_()
    loss = F.cross_entropy(twin(given.images + delta), given.labels)
    sgd(twin)(loss)
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(record.update_gradient, delta.grad * 6)
    torch.testing.assert_close(record.losses.mean(), loss.detach())


def test_tracing_changes_nothing_but_the_record():
    models = [conv_net(), conv_net()]
    records = [FGSM().step(m, batch(trace=t), sgd(m)) for m, t in zip(models, (True, False), strict=True)]
    assert records[1].update_gradient is None
    for first, second in zip(models[0].state_dict().values(), models[1].state_dict().values(), strict=True):
        assert torch.equal(first, second)


def test_standard_training_by_hand():
    model, twin, given = conv_net(), conv_net(), batch()
    Standard().step(model, given, sgd(model))
    sgd(twin)(F.cross_entropy(twin(given.images), given.labels))
    for ours, theirs in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_batchnorm_sees_each_batch_once():
    # The released code of the field updates the running statistics in the attack pass too.
    model = conv_net()
    FGSM().step(model, batch(), sgd(model))
    assert model[1].num_batches_tracked == 1


@pytest.mark.parametrize("method", [BenignStyle(beta=0.5, start=0), DOM(inner=NFGSM(), start=0)], ids=repr)
def test_batchnorm_remembers_the_attacked_images_alone(method):
    given = batch(size=12)
    model, record = stepped(method, given)
    twin = conv_net().train()
    twin(given.images + record.delta)
    assert model[1].num_batches_tracked == 1
    torch.testing.assert_close(model[1].running_mean, twin[1].running_mean)
    torch.testing.assert_close(model[1].running_var, twin[1].running_var)


@pytest.mark.parametrize("anchor", ["clean", "adversarial"])
@pytest.mark.parametrize("noise", ["ball", "ball_and_box"])
def test_gradalign_gradient_against_plain_autograd(anchor, noise):
    model, twin, given = conv_net(norm=False), conv_net(norm=False), batch()
    GradAlign(weight=0.7, anchor=anchor, noise=noise).step(model, given, sgd(model))

    def gradient(images, create_graph=False):
        images = images.detach().requires_grad_()
        loss = F.cross_entropy(twin(images), given.labels, reduction="sum")
        return torch.autograd.grad(loss, images, create_graph=create_graph)[0]

    clean = gradient(given.images)
    delta = given.threat.project(given.images, given.threat.epsilon * clean.sign())
    anchored = clean if anchor == "clean" else gradient(given.images + delta)
    start = 2 * torch.rand(given.images.shape, generator=torch.Generator().manual_seed(0)) - 1
    noisy = given.images + given.threat.epsilon * start
    assert noisy.min() < 0
    assert noisy.max() > 1
    if noise == "ball_and_box":
        noisy = noisy.clamp(0, 1)
    moving = gradient(noisy, create_graph=True)
    cosine = F.cosine_similarity(anchored.flatten(1), moving.flatten(1)).mean()
    sgd(twin)(F.cross_entropy(twin(given.images + delta), given.labels) + 0.7 * (1 - cosine))
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_gradaligns_regulariser_against_differences_of_the_formula(seed, norm):
    """Of a smooth network in float64: input gradients sample by sample, the update by central differences."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    images, labels = torch.randint(2, (6, 1, 3, 3)).double(), torch.randint(3, (6,))  # corners: half the noise leaves
    updated = []
    for weight in (0.0, 2.0):
        twin = copy.deepcopy(model)
        given = Batch(images, labels, ThreatModel(0.3, norm), torch.Generator().manual_seed(seed))
        GradAlign(weight=weight).step(twin, given, sgd(twin, rate=1.0))
        updated.append(parameters_to_vector(twin.parameters()).detach())
    found = updated[0] - updated[1]

    draws = torch.Generator().manual_seed(seed)
    eta = 0.3 * (2 * torch.rand(images.shape, generator=draws) - 1)
    if norm == "l2":
        eta = torch.randn(images.shape, generator=draws).flatten(1)
        radius = 0.3 * torch.rand(6, 1, generator=draws) ** (1 / 9)
        eta = (eta / eta.norm(dim=1, keepdim=True) * radius).view(images.shape)

    def gradients(points):
        def loss(point, label):
            return F.cross_entropy(model(point[None]), label[None])

        pairs = zip(points, labels, strict=True)
        return [torch.autograd.functional.jacobian(lambda x, y=y: loss(x, y), x).flatten() for x, y in pairs]

    anchors, start = gradients(images), parameters_to_vector(model.parameters()).detach()

    def penalty(parameters):
        vector_to_parameters(parameters, model.parameters())
        cosines = [a @ g / a.norm() / g.norm() for a, g in zip(anchors, gradients(images + eta), strict=True)]
        return 2.0 * (1 - sum(cosines) / 6)

    steps = 1e-5 * torch.eye(len(start), dtype=torch.float64)
    expected = torch.stack([(penalty(start + step) - penalty(start - step)) / 2e-5 for step in steps])
    torch.testing.assert_close(found, expected.detach(), atol=1e-5, rtol=1e-4)


def test_misalignment_leaves_zero_gradients_out():
    fixed = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    moving = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    assert misalignment(fixed, moving).item() == pytest.approx(1.0)  # 1 - mean(1, -1)
    assert misalignment(1e-12 * moving[:2].detach(), 1e-12 * moving[:2]).item() == pytest.approx(0, abs=1e-6)
    empty = misalignment(torch.zeros(2, 2), moving[:2])
    empty.backward()
    assert empty.item() == 0
    assert torch.equal(moving.grad, torch.zeros(3, 2))


def test_published_weights_of_gradalign():
    assert published_weight(8 / 255) == pytest.approx(0.2)
    assert published_weight(6 / 255) == pytest.approx(0.1125, abs=1e-4)
    assert published_weight(16 / 255) == pytest.approx(2.0)
    with pytest.raises(ConfigError, match=r"set method\.weight"):
        published_weight(0.25)


def test_random_methods_follow_their_generator():
    def weights(method, seed):
        model = conv_net()
        method.step(model, dataclasses.replace(batch(), generator=draws(seed)), sgd(model))
        return torch.cat([p.flatten() for p in model.parameters()])

    def draws(seed):
        return torch.Generator().manual_seed(seed)

    for method in (METHODS.parse("rs_fgsm"), NFGSM(), PGD()):
        assert torch.equal(weights(method, 1), weights(method, 1))
        assert not torch.equal(weights(method, 1), weights(method, 2))
    assert torch.equal(weights(PGD(random_start=False), 1), weights(PGD(random_start=False), 2))


def test_json_round_trip_and_bad_fields():
    for method in CONFIGURED:
        assert METHODS.parse(METHODS.dump(method)) == method
    assert METHODS.parse({"name": "N-FGSM", "alpha": "8/255"}) == NFGSM(alpha=8 / 255)
    with pytest.raises(UnknownName, match="did you mean n_fgsm"):
        METHODS.parse("nfgsm")
    with pytest.raises(InvalidFields, match="no field 'step': did you mean steps"):
        METHODS.parse({"name": "pgd", "step": 3})
    with pytest.raises(InvalidFields, match="greater than or equal to 1"):
        METHODS.parse({"name": "pgd", "steps": 0})
    with pytest.raises(InvalidFields, match="greater than or equal to 0"):
        METHODS.parse({"name": "n_fgsm", "k": -1})
