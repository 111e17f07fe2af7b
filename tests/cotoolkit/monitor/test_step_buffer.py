"""By-products in the units of a loop become signals in pixel units, of the summed loss."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import FGSM, NFGSM, Batch
from cotoolkit.models.normalise import Statistics
from cotoolkit.monitor.loops.by_products import Expected
from cotoolkit.monitor.step_buffer import MAX_BUFFERED_BYTES, MAX_BUFFERED_STEPS, ON_DEMAND, StepBuffer
from cotoolkit.signals import registry
from cotoolkit.signals.observation import observed_signals
from tests._helpers.networks import conv_net
from tests._helpers.reading_signals import by_iteration

PLAIN = Statistics((0.0,), (1.0,))
MEAN, STD = (0.5, 0.4), (0.25, 0.2)
SIGNALS = {"perturbation_norm", "gradient_norm", "abnormal_example", "pert_align", "linearity", "train_loss"}


def signals_of(reader):
    reader._close_step()
    return by_iteration(reader._signals())[0][1]


def step_by_hand(images, labels, network, epsilon, inputs=lambda images: images, scale=1.0):
    """One FGSM batch as a loop would compute it, with mean losses; `scale` is the loop's own factor of the update."""
    clean = inputs(images).requires_grad_()
    start_losses = F.cross_entropy(network(clean), labels, reduction="none")
    (gradient,) = torch.autograd.grad(start_losses.mean(), clean)
    adversarial = inputs(images + epsilon * gradient.sign()).detach().requires_grad_()
    losses = F.cross_entropy(network(adversarial), labels, reduction="none")
    (scale * losses.mean()).backward()
    return {
        "images": clean,
        "adversarial": adversarial,
        "attack_gradient": gradient,
        "start_losses": start_losses,
        "losses": losses,
    }


@pytest.fixture
def batch():
    draws = torch.Generator().manual_seed(0)
    return torch.rand(12, 2, 6, 6, generator=draws), torch.arange(12) % 4


def reference(images, labels, network):
    """What the method's own record gives."""
    record = FGSM(bn_mode="eval").step(
        network, Batch(images, labels, ThreatModel(0.1, box="none"), torch.Generator()), lambda loss: loss.backward()
    )
    reader = StepBuffer(Expected(PLAIN), 1)
    reader.observe(record, labels=labels)
    return signals_of(reader)


def test_a_loop_by_hand_gives_the_signals_of_the_method(batch):
    network = conv_net(2).eval()
    reader = StepBuffer(Expected(PLAIN), 1)
    reader.observe(**step_by_hand(*batch, network, 0.1))
    found, expected = signals_of(reader), reference(*batch, network)
    assert found.keys() >= SIGNALS
    assert {name: found[name] for name in SIGNALS} == pytest.approx({name: expected[name] for name in SIGNALS}, 1e-4)


def test_normalised_inputs_give_the_same_signals(batch):
    network = conv_net(2).eval()
    mean, std = (torch.tensor(values).view(1, 2, 1, 1) for values in (MEAN, STD))

    def on_normalised(inputs):
        return network(inputs * std + mean)

    reader = StepBuffer(Expected(Statistics(MEAN, STD)), 1)
    reader.observe(**step_by_hand(*batch, on_normalised, 0.1, lambda images: (images - mean) / std))
    found, expected = signals_of(reader), reference(*batch, network)
    assert {name: found[name] for name in SIGNALS} == pytest.approx({name: expected[name] for name in SIGNALS}, 1e-3)


def test_gradients_of_other_scales_are_brought_to_one(batch):
    network = conv_net(2).eval()
    reader = StepBuffer(Expected(PLAIN), 1)
    given = step_by_hand(*batch, network, 0.1, scale=0.25)
    reader.observe(**{**given, "attack_gradient": 12 * given["attack_gradient"]}, attack_scale=1, update_scale=48)
    found, expected = signals_of(reader), reference(*batch, network)
    assert {name: found[name] for name in SIGNALS} == pytest.approx({name: expected[name] for name in SIGNALS}, 1e-4)


def test_buffers_may_be_used_again(batch):
    network = conv_net(2).eval()
    given = step_by_hand(*batch, network, 0.1)
    reader, careless = StepBuffer(Expected(PLAIN), 1), StepBuffer(Expected(PLAIN), 1)
    for each in (reader, careless):
        each.observe(**given)
    expected = signals_of(reader)
    with torch.no_grad():
        for tensor in given.values():
            tensor.zero_()
        given["adversarial"].grad.zero_()
    assert signals_of(careless) == expected


def test_nothing_at_all_is_fine():
    reader = StepBuffer(Expected(PLAIN), 1)
    for _ in range(3):
        reader._close_step()
    assert by_iteration(reader._signals()) == [(1, {}), (2, {}), (3, {})]
    reader.observe(loss=0.5)
    reader.observe(loss=torch.tensor(1.5))
    reader._close_step()
    assert by_iteration(reader._signals()) == [(4, {"train_loss": 1.0})]


@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        ((torch.rand(4),), {}, "by name, such as losses=...; a Tensor came without"),
        ((), {"losses": torch.tensor(0.5)}, "losses: one value per sample is needed.*handed over as loss"),
        ((), {"logits": torch.rand(4, 3), "labels": torch.arange(3)}, "sizes"),
    ],
)
def test_by_products_that_cannot_be_are_one_line(given, named, message):
    with pytest.raises(ConfigError, match=message):
        StepBuffer(Expected(PLAIN), 1).observe(*given, **named)


def test_several_steps_are_read_together():
    reader = StepBuffer(Expected(PLAIN), 1)
    for _ in range(2):
        for _ in range(MAX_BUFFERED_STEPS):
            assert not reader._due
            reader.observe(losses=torch.rand(4))
            reader._close_step()
        assert reader._due
        assert len(by_iteration(reader._signals())) == MAX_BUFFERED_STEPS


def test_large_by_products_become_signals_at_once_and_wait_as_such():
    reader, large = StepBuffer(Expected(PLAIN), 1), torch.zeros(1, MAX_BUFFERED_BYTES // 4 + 1)
    for by_products in ({"loss": 1.0}, {"delta": large}, {"loss": 3.0}):
        reader.observe(**by_products)
        reader._close_step()
        assert reader._held < 100
        assert not reader._due
    assert by_iteration(reader._signals()) == [
        (1, {"train_loss": 1.0}),
        (2, {"perturbation_norm": 0.0}),
        (3, {"train_loss": 3.0}),
    ]
    assert by_iteration(reader._signals()) == []


def test_the_update_gradient_is_wanted_as_often_as_asked():
    reader = StepBuffer(Expected(PLAIN), 3)
    wanted = []
    for _ in range(7):
        wanted.append(reader.trace)
        reader._close_step()
    assert wanted == [False, False, True, False, False, True, False]


@pytest.mark.parametrize("leaf", [True, False])
def test_an_adversarial_image_without_a_gradient_is_no_error(leaf, batch):
    images, _ = batch
    adversarial = images + 0.1 if leaf else images.clone().requires_grad_() + 0.1
    reader = StepBuffer(Expected(PLAIN), 1)
    reader.observe(images=images, adversarial=adversarial, losses=torch.rand(12))
    found = signals_of(reader)
    assert found["perturbation_norm"] == pytest.approx(0.1 * 72**0.5, rel=1e-4)
    assert "pert_align" not in found


@pytest.mark.parametrize("method", [FGSM(), NFGSM()])
def test_records_of_methods_are_read(method, batch):
    images, labels = batch
    record = method.step(
        conv_net(2), Batch(images, labels, ThreatModel(0.1), torch.Generator().manual_seed(0)), torch.Tensor.backward
    )
    reader = StepBuffer(Expected(PLAIN), 1)
    reader.observe(record, labels=labels)
    assert signals_of(reader).keys() >= SIGNALS | {"train_accuracy"}


def test_no_steps_have_no_signals():
    assert observed_signals([]) == []


def test_losses_after_the_first_batches_are_copied_and_read_as_the_first_were():
    draws = torch.Generator().manual_seed(3)
    reader, losses = StepBuffer(Expected(PLAIN), 1), torch.rand(6, 5, 1, generator=draws)
    buffer = torch.empty(5, 1)
    for step in range(6):
        buffer.copy_(losses[step])  # a column, whose memory the loop uses again
        reader.observe(losses=buffer, start_losses=buffer.flatten() - 0.5)
        reader._close_step()
    found = [signals for _, signals in by_iteration(reader._signals())]
    assert [one["train_loss"] for one in found] == pytest.approx(losses.mean((1, 2)).tolist())
    assert [one["attack_gain"] for one in found] == pytest.approx([0.5] * 6)


def test_only_what_a_signal_reads_is_kept_and_all_of_it_is_looked_into_at_first(batch):
    reader = StepBuffer(Expected(PLAIN), 1, ON_DEMAND)
    assert not reader.trace
    given = step_by_hand(*batch, conv_net(2).eval(), 0.1)
    for _ in range(5):
        reader.observe(**given)
        assert reader._held == 2 * 12 * 4  # losses at both ends
        assert signals_of(reader).keys() == {"train_loss", "attack_gain", "abnormal_example"}
    with pytest.raises(ConfigError, match="one shape"):
        StepBuffer(Expected(PLAIN), 1, ON_DEMAND).observe(**{**given, "attack_gradient": torch.rand(12, 2, 3, 3)})


def test_a_signal_of_a_user_on_gradients_has_them_kept(batch, monkeypatch):
    def steepest(update_gradient):
        return update_gradient.flatten(1).abs().amax(1)

    reader = StepBuffer(Expected(PLAIN), 1, ON_DEMAND)
    info = dataclasses.replace(
        registry.SIGNALS["pert_align"], name="steepest", function=steepest, inputs=("update_gradient",)
    )
    monkeypatch.setitem(registry.SIGNALS, "steepest", info)
    by_iteration(reader._signals())  # found at the next reading
    assert reader.trace
    reader.observe(**step_by_hand(*batch, conv_net(2).eval(), 0.1))
    assert signals_of(reader)["steepest"] > 0


def test_steps_say_of_how_many_samples_they_are():
    reader = StepBuffer(Expected(PLAIN), 1)
    for sizes in ((5,), (7, 3), (5,), (2, 2), ()):
        for size in sizes:
            reader.observe(losses=torch.rand(size))
        reader._close_step()
    assert [one.samples for one in reader._signals()] == [5, 10, 5, 4, 0]


def test_labels_beside_a_record_may_be_used_again(batch):
    images, labels = batch
    record = FGSM().step(conv_net(2), Batch(images, labels, ThreatModel(0.1), torch.Generator()), torch.Tensor.backward)
    reader, buffer = StepBuffer(Expected(PLAIN), 1), labels.clone()
    reader.observe(record, labels=buffer)
    buffer.fill_(0)
    expected = (record.logits.argmax(1) == labels).float().mean().item()
    assert signals_of(reader)["train_accuracy"] == pytest.approx(expected)


def test_logits_at_both_ends_give_what_losses_give():
    draws = torch.Generator().manual_seed(4)
    start, end, labels = torch.randn(9, 4, generator=draws), torch.randn(9, 4, generator=draws), torch.arange(9) % 4
    reader = StepBuffer(Expected(PLAIN), 1)
    reader.observe(start_logits=start, logits=end, labels=labels)
    found = signals_of(reader)
    reader.observe(
        start_losses=F.cross_entropy(start, labels, reduction="none"),
        losses=F.cross_entropy(end, labels, reduction="none"),
    )
    expected = signals_of(reader)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    # Losses of another kind, such as smoothed ones, are not held against plain ones.
    reader.observe(start_logits=start, logits=end, labels=labels, losses=torch.rand(9))
    assert "attack_gain" not in signals_of(reader)
