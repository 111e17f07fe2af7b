import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.data import Batches, ImageSet
from interventions import INTERVENTIONS, InterventionError, LabelNoise, Poison


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def points(count, classes=5, seed=0):
    images = torch.rand(count, 1, 4, 4, generator=seeded(seed))
    return images, torch.randint(classes, (count,), generator=seeded(seed + 1))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.floats(0, 1), st.integers(0, 60), st.sampled_from(["label", "noise", "image"]), st.integers(0, 9))
def test_the_share_is_exact_and_nothing_else_changes(share, count, kind, seed):
    images, labels = points(count)
    out, out_labels = Poison(share, kind)(images, labels, seeded(seed), classes=5)
    changed_images, changed_labels = (out != images).flatten(1).any(1), out_labels != labels
    changed, other = (changed_labels, changed_images) if kind == "label" else (changed_images, changed_labels)
    assert not other.any()
    if kind != "image" or count > 1:  # a single image has no other
        assert abs(int(changed.sum()) - share * count) < 1
    assert out_labels.tolist() == [] or 0 <= out_labels.min() <= out_labels.max() < 5
    if kind == "image":
        assert all(any(torch.equal(one, image) for image in images) for one in out)


def test_a_batch_of_one_has_no_other_image():
    image, label = points(1)
    out, out_label = Poison(1, "image")(image, label, seeded(), classes=5)
    assert torch.equal(out, image)
    assert torch.equal(out_label, label)


@pytest.mark.parametrize("kind", ["noise", "image"])
def test_a_target_without_a_wrong_label_is_refused_when_built(kind):
    with pytest.raises(InvalidFields, match=f"the kind {kind} keeps the labels: leave out the target"):
        Poison(0.1, kind, target=1)
    with pytest.raises(ConfigError, match=f"'poison': the kind {kind} keeps the labels"):
        INTERVENTIONS.parse({"name": "poison", "share": 0.1, "kind": kind, "target": 0})


@pytest.mark.parametrize("share", [0.1, 0.29, 0.3, 0.57, 1.0])
def test_whole_numbers_are_met_exactly(share):
    images, labels = points(100)
    for seed in range(20):
        _, wrong = Poison(share)(images, labels, seeded(seed), classes=5)
        assert int((wrong != labels).sum()) == round(100 * share)


def test_fractions_are_right_on_average():
    image, label = points(1)
    hits = [int((Poison(0.3)(image, label, seeded(seed), classes=5)[1] != label).sum()) for seed in range(600)]
    assert sum(hits) / 600 == pytest.approx(0.3, abs=0.08)  # 4 standard deviations


def test_wrong_labels_are_even_over_the_other_classes():
    images, labels = torch.zeros(10_000, 1, 1, 1), torch.arange(10_000) % 5
    _, wrong = Poison(1)(images, labels, seeded(), classes=5)
    joint = torch.zeros(5, 5).index_put_((labels, wrong), torch.ones(10_000), accumulate=True) / 2000
    assert (joint - 0.25 * (1 - torch.eye(5))).abs().max() < 0.05


def test_a_target_takes_the_other_classes_first():
    images, labels = points(100)
    own = int((labels == 2).sum())
    _, wrong = Poison(0.5, target=2)(images, labels, seeded(), classes=5)
    assert int((wrong != labels).sum()) == 50
    assert int((wrong == 2).sum()) == own + 50
    assert (Poison(1, target=2)(images, labels, seeded(), classes=5)[1] == 2).all()


@pytest.mark.parametrize("augment", ["none", "crop_flip"])
@pytest.mark.parametrize("intervention", [Poison(0.2), Poison(0.2, target=1), LabelNoise(0.3)], ids=repr)
def test_in_training_each_point_keeps_its_label_over_all_epochs(intervention, augment):
    images, labels = points(300)
    data = ImageSet("own", (255 * images).to(torch.uint8), labels, 5, tuple("abcde"))
    batches = Batches(data, 64, seed=3, augment=augment, padding=1, intervention=intervention, drop_last=False)

    def epoch(number):
        found = torch.full((300,), -1)
        for batch in batches.epoch(number):
            found[batch.indices] = batch.labels
        return found

    first = epoch(0)
    assert torch.equal(epoch(1), first)
    assert torch.equal(epoch(5), first)
    assert (first != labels).any()
    other = Batches(data, 300, seed=4, intervention=intervention).batch(0)
    assert not torch.equal(other.labels[other.indices.argsort()], first)


def test_noise_is_fixed_and_augmentation_is_not():
    images, labels = points(80)
    data = ImageSet("own", (255 * images).to(torch.uint8), labels, 5, tuple("abcde"))
    batches = Batches(data, 80, seed=3, augment="crop", padding=1, intervention=Poison(0.25, "noise"))
    epochs = []
    for iteration in (0, 1):
        batch = batches.batch(iteration)
        epochs.append(batch.images[batch.indices.argsort()])
    kept = (epochs[0] == epochs[1]).flatten(1).all(1)
    noise = epochs[0][kept]
    assert 20 <= int(kept.sum()) <= 40  # the poisoned, and the crops that happen to agree
    assert sum(bool((255 * image % 1 > 0).any()) for image in noise) >= 20 - 1


@pytest.mark.parametrize(
    ("poison", "classes", "message"),
    [
        (Poison(0.1), None, "poison needs the number of classes"),
        (Poison(0.1), 1, "poison needs the number of classes"),
        (Poison(0.1, target=5), 5, "target 5 is not among the 5 classes"),
    ],
)
def test_what_does_not_fit_is_one_line(poison, classes, message):
    with pytest.raises(InterventionError, match=message):
        poison(torch.zeros(2, 1, 1, 1), torch.tensor([0, 0]), seeded(), classes=classes)
