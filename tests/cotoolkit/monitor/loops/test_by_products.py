"""By-products of every kind that loops have: brought to one form, or refused in one line at the first batches."""

import numpy as np
import pytest
import torch

from cotoolkit import BreakpointMonitor
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import FGSM
from cotoolkit.models.normalise import Statistics
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.loops.by_products import FIRST_BATCHES, Expected
from cotoolkit.monitor.step_buffer import StepBuffer
from tests._helpers.networks import conv_net
from tests._helpers.reading_signals import by_iteration

PLAIN = Statistics((0.0,), (1.0,))


def points():
    return torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 4


def monitor_of(**options):
    return BreakpointMonitor(conv_net(), points(), epsilon=0.1, config=MonitorConfig(interval=0, points=8), **options)


def signals_of(**by_products):
    monitor = monitor_of()
    monitor.step(**by_products)
    ((_, found),) = by_iteration(monitor._signals())
    return found


LABELS = torch.arange(8) % 4
LOGITS = torch.nn.functional.one_hot(LABELS, 4).float()
LOGITS[0] = LOGITS[1]


@pytest.mark.parametrize(
    "labels",
    [
        LABELS.to(torch.int32),
        LABELS.to(torch.uint8),
        LABELS.float(),
        LABELS[:, None],
        LABELS.tolist(),
        LABELS.numpy(),
        LABELS.numpy().astype(np.int16),
    ],
    ids=["int32", "uint8", "float", "column", "list", "array", "int16"],
)
def test_labels_of_every_kind_are_counted_alike(labels):
    found = signals_of(logits=LOGITS, labels=labels)
    assert found["train_accuracy"] == 7 / 8
    assert found == signals_of(logits=LOGITS, labels=LABELS)


@pytest.mark.parametrize(
    "losses",
    [torch.ones(8)[:, None], [1.0] * 8, np.ones(8), torch.ones(8, dtype=torch.bfloat16), torch.ones(8).double()],
)
def test_losses_of_every_kind(losses):
    assert signals_of(losses=losses)["train_loss"] == 1
    assert signals_of(loss=np.float32(2))["train_loss"] == 2
    assert signals_of(loss=torch.tensor([2.0]))["train_loss"] == 2


@pytest.mark.parametrize("soft", [LOGITS.softmax(1), LOGITS.softmax(1).double(), LOGITS.long()])
def test_soft_labels_are_fine_where_losses_are(soft, caplog):
    monitor = monitor_of()
    for _ in range(3):
        monitor.step(losses=torch.ones(8), start_losses=torch.zeros(8), logits=LOGITS, labels=soft)
    found = [signals for _, signals in by_iteration(monitor._signals())]
    assert all(signals["train_loss"] == 1 and "train_accuracy" not in signals for signals in found)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "labels are soft, (8, 4): left out train_accuracy"
    assert monitor.events == []


def test_soft_labels_may_be_attacked():
    monitor = monitor_of(method=FGSM(), all_signals=True)
    images, labels = points()
    soft = torch.nn.functional.one_hot(labels, 4).float()
    adversarial = monitor.attack(images, soft)
    assert torch.equal(adversarial, monitor.attack(images, labels))
    for same in (labels.double(), labels[:, None], labels.tolist(), soft.long(), soft.double()):
        assert torch.equal(adversarial, monitor.attack(images, same))
    monitor.step(losses=torch.ones(30))
    assert "gradient_norm" in by_iteration(monitor._signals())[0][1]


def test_as_many_labels_as_images_are_attacked():
    monitor = monitor_of(method=FGSM())
    images, labels = points()
    for _ in range(5):  # beyond the first batches, too
        with pytest.raises(ConfigError, match="labels: 29 for 30 images"):
            monitor.attack(images, labels[1:])
        monitor.attack(images, labels)


IMAGES = torch.rand(8, 1, 6, 6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"lables": LABELS},
            r"no by-product 'lables' \(did you mean 'labels'\?\); there are adversarial, attack_gradient",
        ),
        ({"foo": LABELS}, "no by-product 'foo'; there are"),
        ({"labels": LABELS - 100, "losses": torch.rand(8)}, "labels go down to -100"),
        ({"labels": torch.full((8,), -100), "losses": torch.rand(8)}, "where -100 marks images to ignore"),
        ({"labels": LABELS + 1, "logits": LOGITS}, "labels go up to 4, and the model has 4 outputs"),
        ({"labels": LABELS + 9}, "labels go up to 12, and the model has 4 outputs"),
        ({"labels": LABELS + 0.5}, "whole numbers"),
        ({"labels": LABELS[:5], "losses": torch.rand(8)}, "of one batch, not of sizes"),
        ({"labels": torch.rand(8, 7)}, r"\(8, 7\) for 4 classes"),
        ({"labels": torch.rand(8, 4, 2)}, "class numbers"),
        ({"labels": (LABELS, LABELS, 0.3)}, "labels: a tensor is needed"),
        ({"logits": torch.rand(8, 7)}, "7 classes, and the model has 4 outputs"),
        ({"logits": torch.rand(8)}, r"logits: \(B, classes\) are needed"),
        ({"logits": LABELS[:, None].expand(8, 4)}, "floating point"),
        ({"logits": {"logits": LOGITS}}, "a tensor is needed, not a dict"),
        ({"losses": torch.rand(8, 6, 6)}, "one value per sample"),
        ({"losses": torch.tensor(0.5)}, "a mean loss is handed over as loss"),
        ({"loss": torch.rand(8)}, "losses per sample are handed over as losses"),
        ({"losses": torch.rand(0)}, "of no sample at all"),
        ({"images": 255 * IMAGES}, "give the monitor mean and std, or bounds"),
        ({"images": (255 * IMAGES).byte()}, "floating point"),
        ({"images": (IMAGES - 0.5) / 0.1}, "they are handed over as the model takes them"),
        ({"delta": 255 * 0.1 * IMAGES.sign()}, "of linf norm 25.5 in the images' range"),
        ({"images": IMAGES, "adversarial": IMAGES[:, :, :3]}, "have one shape"),
        ({"adversarial": IMAGES.expand(8, 3, 6, 6)}, r"\(B, 1, H, W\), as the held-out images"),
        ({"attack_gradient": IMAGES, "attack_scale": "eight"}, "attack_gradient|by-products"),
    ],
)
def test_what_cannot_be_is_refused_at_the_first_batches_in_one_line(given, message):
    with pytest.raises(ConfigError, match=message) as caught:
        monitor_of().step(**given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"losses": torch.full((8,), torch.nan)},
        {"losses": torch.full((8,), torch.inf), "start_losses": torch.rand(8)},
        {"attack_gradient": torch.full((8, 1, 6, 6), torch.inf, dtype=torch.float16), "update_gradient": IMAGES.half()},
        {"images": IMAGES + 0.3, "adversarial": IMAGES},
        {"images": torch.rand(8, 1, 9, 9)},
        {},
    ],
    ids=["nan", "inf", "overflow", "noise", "another-size", "nothing"],
)
def test_what_a_training_may_well_do_is_not_refused(given):
    signals_of(**given)


def test_a_refused_step_is_still_an_update():
    monitor = monitor_of()
    with pytest.raises(ConfigError):
        monitor.step(loss="large")
    monitor.step(loss=1.0)
    assert monitor.iteration == 2
    assert by_iteration(monitor._signals()) == [(1, {}), (2, {"train_loss": 1.0})]


def test_the_first_batches_are_few():
    buffer = StepBuffer(Expected(PLAIN), 1)
    for _ in range(FIRST_BATCHES):
        buffer.observe(losses=torch.rand(4))
    buffer.observe(losses=torch.rand(4, 4))
    buffer._close_step()
    assert [signals.keys() for _, signals in by_iteration(buffer._signals())] == [{"train_loss"}]
    assert buffer.failures.counts == {"reading by-products": 1}


def test_batches_of_several_sizes_are_read_together():
    buffer = StepBuffer(Expected(PLAIN), 1)
    for side in (6, 8, 6):
        buffer.observe(delta=torch.ones(2, 1, side, side), losses=torch.ones(2))
        buffer._close_step()
    assert [found["perturbation_norm"] for _, found in by_iteration(buffer._signals())] == [6, 8, 6]


def test_labels_that_a_batch_marks_as_ignored_later_are_left_out():
    buffer = StepBuffer(Expected(PLAIN), 1)
    for labels in (LABELS, LABELS, LABELS, torch.where(LABELS == 0, -100, LABELS)):
        buffer.observe(logits=LOGITS, labels=labels)
        buffer._close_step()
    assert len(by_iteration(buffer._signals())) == 4
    assert buffer.failures.counts == {}


def test_gradients_in_half_precision_do_not_overflow():
    gradient = torch.full((600, 1, 2, 2), 200.0, dtype=torch.float16)
    buffer = StepBuffer(Expected(PLAIN), 1)
    buffer.observe(attack_gradient=gradient)
    buffer._close_step()
    assert by_iteration(buffer._signals())[0][1]["gradient_norm"] == pytest.approx(600 * 400)


def test_a_gradient_that_was_retained_is_read():
    images = torch.rand(4, 1, 2, 2, requires_grad=True)
    adversarial = 1 * images
    adversarial.retain_grad()
    adversarial.square().sum().backward()
    buffer = StepBuffer(Expected(PLAIN), 1)
    buffer.observe(adversarial=adversarial, attack_gradient=adversarial.grad)
    buffer._close_step()
    assert by_iteration(buffer._signals())[0][1]["pert_align"] == pytest.approx(1)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
def test_a_scale_of_gradients_is_above_nothing(scale):
    with pytest.raises(ConfigError, match=r"attack_scale is .*; give a number above 0"):
        monitor_of().step(losses=torch.ones(8), attack_gradient=IMAGES, attack_scale=scale)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"autocast": torch.autocast("cpu", torch.bfloat16)}, r"give what makes the context: lambda: torch.autocast"),
        (
            {"optimizer": torch.optim.SGD([torch.ones(2, requires_grad=True)])},
            "optimizer: it holds none of the network's parameters",
        ),
        ({"forward": 5}, "forward: give a function of the network and images, not a int"),
    ],
)
def test_options_that_are_no_functions(options, message):
    with pytest.raises(ConfigError, match=message):
        monitor_of(**options)
