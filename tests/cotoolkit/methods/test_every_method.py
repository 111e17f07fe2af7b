import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.core.registry import InvalidFields, UnknownName
from cotoolkit.methods import DOM, FGSM, METHODS, NFGSM, PGD, AttackMethod, BenignStyle, GradAlign, Standard
from cotoolkit.methods.free import FreeAT
from cotoolkit.signals import SIGNALS
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.stepping import batch, remembering, sgd, stepped

CONFIGURED = [METHODS.parse(name) for name in METHODS.names()] + [PGD(steps=3), GradAlign(anchor="adversarial")]


@pytest.mark.parametrize("method", CONFIGURED, ids=repr)
@pytest.mark.parametrize("trace", [True, False])
def test_declared_passes_are_the_counted_ones(method, trace):
    given = batch(trace=trace)
    model = PassCounter(conv_net(), len(given.images))
    given = remembering(method, model.network, given)  # what a memory costs before the first step is no step's
    method.step(model, given, sgd(model))
    cost = method.cost_per_step()
    assert (model.forwards, model.backwards) == (cost.forward, cost.backward)


@pytest.mark.parametrize("name", METHODS.names())
def test_steps_that_cost_more_than_declared_are_told_of(name):
    method, model = METHODS.parse(name), PassCounter(conv_net(), 6)
    memory, cost, dearer = remembering(method, model.network, batch()).memory, method.cost_per_step(), False
    for iteration in range(24):  # six epochs
        before = model.forwards, model.backwards
        fresh = batch(seed=iteration, indices=torch.arange(6), progress=iteration / 24)
        given = dataclasses.replace(fresh, memory=memory, iteration=iteration, epoch_length=4)
        method.step(model.train(), given, sgd(model))
        found = model.forwards - before[0], model.backwards - before[1]
        dearer |= found[0] > cost.forward + 1e-6 or found[1] > cost.backward + 1e-6
    assert dearer == bool(method.costs_more)


@pytest.mark.parametrize("method", CONFIGURED, ids=repr)
def test_double_precision_is_trained_in_beyond_every_warm_up(method):
    model = conv_net().double()
    memory = remembering(method, model, batch()).memory
    for iteration in range(8):  # epochs
        fresh = batch(seed=iteration, indices=torch.arange(6), progress=iteration / 8)
        given = dataclasses.replace(fresh, images=fresh.images.double(), memory=memory, iteration=iteration)
        assert method.step(model.train(), given, sgd(model)).losses.isfinite().all()


@pytest.mark.parametrize("name", METHODS.names())
def test_a_method_tells_where_each_default_comes_from(name):
    cls = METHODS[name]
    assert set(cls.constants) == {field.name for field in dataclasses.fields(cls)}
    assert all(cls.constants.values())
    assert cls.formula
    assert cls.family != "own"


@pytest.mark.parametrize("method", CONFIGURED, ids=repr)
def test_steps_are_replayed_with_what_is_remembered(method):
    """Ten steps equal five, and five more from copies of weights and memory."""

    def train(model, memory, first, last):
        for iteration in range(first, last):
            fresh = batch(seed=iteration, indices=torch.arange(6) + iteration % 3, progress=iteration / 10)
            given = dataclasses.replace(fresh, memory=memory, iteration=iteration, epoch_length=3)
            method.step(model.train(), given, sgd(model))

    model = conv_net()
    memory = remembering(method, model, batch()).memory
    train(model, memory, 0, 5)
    twin = copy.deepcopy(model)
    kept = {name: tensor.clone() for name, tensor in memory.items()}
    train(model, memory, 5, 10)
    train(twin, kept, 5, 10)
    for ours, theirs in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert memory.keys() == kept.keys()
    assert all(torch.equal(memory[name], kept[name]) for name in memory)


@pytest.mark.parametrize("name", METHODS.names())
def test_default_cost_is_the_class_cost(name):
    assert METHODS.parse(name).cost_per_step() == METHODS[name].cost


@pytest.mark.parametrize("method", CONFIGURED, ids=repr)
def test_updates_of_a_step_are_as_many_as_said(method):
    model, made = conv_net(), []
    update = sgd(model)
    method.step(model, remembering(method, model, batch()), lambda loss: made.append(update(loss)))
    assert len(made) == method.updates_per_step()


@pytest.mark.parametrize("method", CONFIGURED, ids=repr)
def test_no_measure_of_a_method_has_the_name_of_a_signal(method):
    # They are recorded side by side: two of one name would be averaged.
    model = conv_net()
    record = method.step(model, remembering(method, model, batch()), sgd(model))
    assert not record.measures.keys() & SIGNALS.keys()


@pytest.mark.parametrize("method", CONFIGURED, ids=repr)
def test_records_are_detached_and_of_the_right_shapes(method):
    model = conv_net()
    given = remembering(method, model, batch())
    record = method.step(model, given, sgd(model))
    assert record.losses.shape == (6,)
    assert record.logits.shape == (6, 4)
    assert not record.losses.requires_grad
    if isinstance(method, Standard):
        assert record.delta is None
        return
    assert record.delta.shape == record.update_gradient.shape == (6, 1, 6, 6)
    if not isinstance(method, FreeAT):  # its attack and its update are at other weights
        assert record.attack.gradient.shape == (6, 1, 6, 6)
    assert not record.delta.requires_grad
    assert not record.update_gradient.requires_grad


@pytest.mark.parametrize("method", [m for m in CONFIGURED if isinstance(m, AttackMethod)], ids=repr)
def test_a_step_is_cross_entropy_at_the_perturbed_images(method):
    model = conv_net(norm=False)
    given = remembering(method, model, batch())
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
