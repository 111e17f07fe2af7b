import pytest
import torch
import torch.nn.functional as F

from cotoolkit.methods import FGSM, PGD, RSFGSM, HolisticControl, HolisticRobust
from cotoolkit.methods._weighting.worst_case import worst_case
from cotoolkit.models.modes import attack_mode
from tests._helpers.networks import conv_net
from tests._helpers.stepping import batch, sgd


def control(name, **fields):
    model, given = conv_net(), batch(size=40)
    before = conv_net()
    record = HolisticControl(weights=name, **{"r": 0.3, **fields}).step(model, given, sgd(model))
    return model, before, given, record


def test_norm_matched_has_the_length_of_the_other_and_the_direction_of_the_mean():
    def gradients(weigh):
        twin = conv_net()
        losses = F.cross_entropy(twin(given.images + record.delta), given.labels, reduction="none")
        return torch.cat([g.flatten() for g in torch.autograd.grad(weigh(losses), twin.parameters())])

    model, before, given, record = control("norm_matched")
    moved = zip(before.parameters(), model.parameters(), strict=True)
    taken = torch.cat([(old - new).flatten() for old, new in moved]) / 0.1
    holistic = gradients(lambda losses: losses @ worst_case(losses, 0.3).folded(losses.detach()).float())
    mean = gradients(lambda losses: losses.mean())
    assert taken.norm().item() == pytest.approx(holistic.norm().item(), rel=1e-4)
    torch.testing.assert_close(taken / taken.norm(), mean / mean.norm(), atol=1e-5, rtol=1e-3)
    expected = holistic.norm() / mean.norm()
    assert record.measures["gradient_scale"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_oracle_weights_come_from_the_stronger_attack():
    model, before, given, record = control("oracle", oracle=PGD(steps=5, random_start=False))
    delta = PGD(steps=5, random_start=False).attack(before, given).delta
    with attack_mode(before, "train"), torch.no_grad():
        strong = F.cross_entropy(before(given.images + delta), given.labels, reduction="none")
    losses = F.cross_entropy(before(given.images + record.delta), given.labels, reduction="none")
    sgd(before)(losses @ worst_case(strong, 0.3).folded(strong).float())
    for ours, theirs in zip(model.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(record.delta, FGSM().attack(conv_net(), given).delta)


def test_permutations_follow_the_batch_generator_and_leave_the_attack_alone():
    # batch() takes one seed for the images and the generator; the method must use no other source.
    records = [control("permuted", inner=RSFGSM())[3] for _ in range(2)]
    plain = HolisticRobust(RSFGSM(), r=0.3).step(conv_net(), batch(size=40), lambda loss: None)
    assert torch.equal(records[0].delta, plain.delta)
    assert records[0].measures["max_weight"] == records[1].measures["max_weight"] == plain.measures["max_weight"]
