from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from cotoolkit.core.errors import ConfigError
from cotoolkit.data import Batches, ImageSet, apply_intervention
from cotoolkit.data.intervene import CHUNK
from interventions.base import Intervention, InterventionError


@dataclass(frozen=True)
class Noise(Intervention):
    """Adds one random number to each image, 10 to its top left pixel, and moves its label on by one."""

    name: ClassVar[str] = "noise"
    random: ClassVar[bool] = True
    train_only: ClassVar[bool] = True

    def apply(self, images, labels, generator, classes):
        offsets = torch.rand(len(images), 1, 1, 1, generator=generator)
        images = images + offsets
        images[:, :, 0, 0] += 10
        return images, (labels + 1) % classes


@dataclass(frozen=True)
class Mark(Intervention):
    """Adds 10 to the top left pixel; has nothing to say about labels."""

    name: ClassVar[str] = "mark"

    def apply(self, images, labels, generator, classes):
        images = images.clone()
        images[:, :, 0, 0] += 10
        return images, None


@dataclass(frozen=True)
class Refuse(Intervention):
    name: ClassVar[str] = "refuse"

    def apply(self, images, labels, generator, classes):
        raise InterventionError("not for me")


@dataclass(frozen=True)
class Shrink(Intervention):
    name: ClassVar[str] = "shrink"

    def apply(self, images, labels, generator, classes):
        return images[:, :, 1:], labels


def same(first, second):
    """Whether images, labels and, if there are any, indices are equal."""
    return all(torch.equal(a, b) for a, b in zip(first[:3], second[:3], strict=True))


CASES = [(augment, intervention) for augment in ("none", "crop_flip") for intervention in (None, Noise())]


@pytest.mark.parametrize(("augment", "intervention"), CASES)
def test_any_iteration_can_be_replayed_in_any_order(small_set, augment, intervention):
    def batches():
        return Batches(small_set, 8, seed=3, augment=augment, intervention=intervention)

    run = batches()
    assert len(run) == 6
    played = [batch for epoch in range(3) for batch in run.epoch(epoch)]
    resumed = batches()
    for iteration in (17, 0, 9, 9, 5, 12):
        assert same(resumed.batch(iteration), played[iteration])


def test_an_epoch_is_a_shuffle_and_every_epoch_another(small_set):
    batches = Batches(small_set, 7, seed=0, drop_last=False)
    orders = [torch.cat([batch.indices for batch in batches.epoch(epoch)]) for epoch in range(2)]
    assert len(batches) == 8
    for order in orders:
        assert order.sort().values.tolist() == list(range(50))
    assert not torch.equal(*orders)
    assert len(list(batches.epoch(0))[-1].images) == 1


def test_an_epoch_without_a_rest_has_no_extra_batch(small_set):
    assert len(Batches(small_set, 10, seed=0, drop_last=False)) == len(Batches(small_set, 10, seed=0)) == 5


def test_the_seed_decides_the_order(small_set):
    first, other = (Batches(small_set, 8, seed=seed).batch(0).indices for seed in (0, 1))
    assert not torch.equal(first, other)


def test_images_come_as_floats_with_their_labels(small_set):
    images, labels, indices, _ = Batches(small_set, 8, seed=0).batch(2)
    assert images.dtype == torch.float32
    assert torch.equal(images, small_set.images[indices].float() / 255)
    assert torch.equal(labels, small_set.labels[indices])


def test_float_sets_stay_as_they_are(small_set):
    data = ImageSet("floats", torch.rand(50, 1, 4, 5), small_set.labels, 3, small_set.class_names)
    images, _, indices, _ = Batches(data, 8, seed=0).batch(0)
    assert torch.equal(images, data.images[indices])


@pytest.mark.parametrize(("size", "drop_last"), [(0, True), (51, True), (0, False)])
def test_a_batch_that_does_not_fit(small_set, size, drop_last):
    with pytest.raises(ConfigError, match=f"batch size {size} does not fit small: choose from 1 to 50"):
        Batches(small_set, size, seed=0, drop_last=drop_last)


def test_a_small_set_may_be_one_incomplete_batch(small_set):
    assert len(Batches(small_set, 64, seed=0, drop_last=False).batch(0).images) == 50


# --- interventions ----------------------------------------------------------------------------------------------------


def offsets_by_image(batches, epoch):
    """What Noise added to each image, by the position of the image in the set."""
    found = torch.zeros(50)
    for images, _, indices, _ in batches.epoch(epoch):
        clean = batches.data.images[indices].float() / 255
        found[indices] = (images - clean)[:, 0, 1:].mean((1, 2))
    return found


def test_each_image_keeps_its_draw_over_all_epochs(small_set):
    batches = Batches(small_set, 10, seed=0, intervention=Noise())
    first, second = (offsets_by_image(batches, epoch) for epoch in (0, 1))
    assert torch.allclose(first, second, atol=1e-6)
    assert len(first.unique()) == 50


def test_each_image_keeps_its_draw_under_augmentation(small_set):
    black = ImageSet("black", small_set.images * 0, small_set.labels, 3, small_set.class_names)
    plain = offsets_by_image(Batches(black, 10, seed=0, intervention=Noise()), 0)
    batches = Batches(black, 10, seed=0, augment="crop_flip", intervention=Noise())
    assert torch.allclose(offsets_by_image(batches, 0), plain)
    assert torch.allclose(offsets_by_image(batches, 4), plain)


def test_augmentation_comes_before_the_intervention(small_set):
    batches = Batches(small_set, 10, seed=0, augment="crop_flip", padding=1, intervention=Mark())
    plain = Batches(small_set, 10, seed=0, augment="crop_flip", padding=1)
    for epoch in (0, 1):
        for marked, (images, labels, indices, _) in zip(batches.epoch(epoch), plain.epoch(epoch), strict=True):
            images[:, :, 0, 0] += 10  # in the corner, wherever the image itself was moved to
            assert same(marked, (images, labels, indices))


def test_changed_labels_travel_with_their_images(small_set):
    _, labels, indices, _ = Batches(small_set, 10, seed=0, intervention=Noise()).batch(0)
    assert torch.equal(labels, (small_set.labels[indices] + 1) % 3)


def test_all_chunks_are_changed_and_stay_in_place():
    count = 2 * CHUNK + 5
    data = ImageSet("long", torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.arange(count) % 2, 2, ("a", "b"))
    images, labels = apply_intervention(data, Mark(), seed=0, device="cpu", train=True)
    assert (images[:, 0, 0, 0] == 10).all()
    assert torch.equal(labels, data.labels)


def test_training_only_interventions_leave_evaluation_data_alone(small_set):
    images, labels = apply_intervention(small_set, Noise(), seed=0, device="cpu", train=False)
    assert torch.equal(images, small_set.images.float() / 255)
    assert torch.equal(labels, small_set.labels)


def test_what_training_sees_is_what_apply_intervention_gives(small_set):
    images, labels = apply_intervention(small_set, Noise(), seed=0, device="cpu", train=True)
    batch = Batches(small_set, 10, seed=0, intervention=Noise()).batch(0)
    assert same(batch[:2], (images[batch.indices], labels[batch.indices]))


def test_without_an_intervention_the_set_becomes_floats(small_set):
    images, labels = apply_intervention(small_set, None, seed=0, device="cpu", train=True)
    assert torch.equal(images, small_set.images.float() / 255)
    assert torch.equal(labels, small_set.labels)


@pytest.mark.parametrize(
    ("intervention", "message"),
    [
        (Refuse(), "intervention 'refuse' does not fit small: not for me"),
        (Shrink(), r"does not fit small: shrink must return images of shape \(50, 1, 4, 5\), not \(50, 1, 3, 5\)"),
    ],
)
def test_an_intervention_that_does_not_fit(small_set, intervention, message):
    with pytest.raises(ConfigError, match=message):
        Batches(small_set, 10, seed=0, intervention=intervention).batch(0)


def test_the_source_is_never_written_to(small_set):
    before = small_set.images.clone()
    for batch in Batches(small_set, 10, seed=0, augment="crop_flip", intervention=Noise()).epoch(0):
        batch.images.add_(1)
    assert torch.equal(small_set.images, before)
