"""Items of every kind that people put an intervention around: read as the rest of the package does, or refused."""

import numpy as np
import PIL.Image
import pytest
import torch
from torch.utils.data import IterableDataset, random_split
from torchvision.transforms import v2

from cotoolkit.core.errors import ConfigError, CotoolkitError, DataError
from interventions import Compose, Inject, InterventionDataset, InterventionLayer, InterventionTransform, LowPass
from interventions.base import parse_intervention

LEVELS = np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (3, 6, 8), dtype=np.uint8)
NOTHING = Compose()


class Given:
    """A data set of the items that it is given."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def refused(error, message, action):
    with pytest.raises(error, match=message) as caught:
        action()
    assert isinstance(caught.value, CotoolkitError)
    assert "\n" not in str(caught.value)


def item_of(image, label=1, **options):
    return InterventionDataset(Given((image, label)), NOTHING, **options)[0]


READ = {
    "grey": (lambda: PIL.Image.fromarray(LEVELS), LEVELS[None]),
    "palette": (
        lambda: PIL.Image.fromarray(LEVELS // 32 * 36).convert("P"),
        np.broadcast_to(LEVELS // 32 * 36, (3, 6, 8)),
    ),
    "16 bits": (lambda: PIL.Image.fromarray(LEVELS.astype(np.uint16) * 257), LEVELS[None]),
    "one bit": (lambda: PIL.Image.fromarray(LEVELS > 99), 255 * (LEVELS[None] > 99)),
    "channels first": (lambda: COLOURS, COLOURS),
    "channels last": (lambda: np.ascontiguousarray(COLOURS.transpose(1, 2, 0)), COLOURS),
    "one channel last": (lambda: LEVELS[:, :, None], LEVELS[None]),
    "no channel": (lambda: torch.tensor(LEVELS), LEVELS[None]),
    "doubles": (lambda: COLOURS / 255, COLOURS),
    "another byte order": (lambda: (LEVELS / 255).astype(">f4"), LEVELS[None]),
}


@pytest.mark.parametrize("kind", READ)
def test_images_keep_their_meaning(kind):
    make, levels = READ[kind]
    image, label = item_of(make())
    assert (type(image), image.dtype, label) == (torch.Tensor, torch.float32, 1)
    torch.testing.assert_close(image, torch.tensor(levels / 255).float(), check_stride=False)


REFUSED = {
    **{
        f"{kind} levels": (lambda kind=kind: LEVELS.astype(kind), f"images are {kind}; give uint8 pixel levels, or")
        for kind in ("int16", "int32", "int64", "uint16", "bool")
    },
    "long tensor": (lambda: torch.tensor(COLOURS).long(), "images are int64; give uint8"),
    "32 bits": (lambda: PIL.Image.fromarray(LEVELS.astype(np.int32)), "32 bits or with a sign"),
    "floats up to 255": (
        lambda: LEVELS.astype(np.float32),
        r"run from \d+ to 2\d\d; give them in \[0, 1\]: levels divided",
    ),
    "normalised": (lambda: torch.tensor(LEVELS / 255)[None] * 2 - 1, "before normalisation"),
    "nan": (lambda: torch.full((1, 4, 4), torch.nan), "pixels run from nan to nan"),
    "channels last": (lambda: torch.tensor(COLOURS).permute(1, 2, 0), "channels first"),
    "alpha": (lambda: np.zeros((8, 8, 4), np.uint8), "leave out the alpha channel"),
    "transparent": (lambda: PIL.Image.new("RGBA", (8, 6)), "transparent pixels"),
    "text": (lambda: "a.png", "images must be tensors or arrays of numbers, not a str"),
    "none": (lambda: None, "images must be tensors or arrays"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_images_of_another_range_or_kind_are_refused_with_their_place(kind):
    make, message = REFUSED[kind]
    refused(DataError, f"item 0 of the Given(:| has).*{message}", lambda: item_of(make()))


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (1.7, "labels must be whole numbers, and one is 1.7"),
        (torch.tensor(1.7), "one is 1.7"),
        ("cat", "they are .*; number the classes"),
        (None, "labels must be whole numbers, one per image; they are NoneType"),
        (torch.eye(10)[3], "labels are one-hot"),
        ([0, 1], "labels have shape|labels are one-hot"),
        (-1, "labels go down to -1"),
        (float("nan"), "missing, nan"),
    ],
)
def test_labels_that_are_no_class_are_refused(label, message):
    refused(DataError, f"item 0 of the Given: .*({message})", lambda: item_of(LEVELS, label))


@pytest.mark.parametrize("label", [3, 3.0, np.int64(3), torch.tensor(3), torch.tensor([3], dtype=torch.uint8)])
def test_labels_of_any_type_that_are_whole_are_taken(label):
    assert item_of(LEVELS, label)[1] == 3


def test_dictionaries_are_items_and_triples_are_not():
    for item in ({"image": LEVELS, "label": 2}, {"pixel_values": LEVELS, "target": 2, "id": 7}):
        image, label = InterventionDataset(Given(item), NOTHING)[0]
        assert torch.equal(image, torch.tensor(LEVELS)[None] / 255)
        assert label == 2
    refused(DataError, "but of 3 parts", lambda: InterventionDataset(Given((LEVELS, 2, 7)), NOTHING)[0])
    refused(DataError, "but of ndarray; give pairs", lambda: InterventionDataset(Given(LEVELS), NOTHING)[0])
    refused(DataError, "KeyError: 0", lambda: InterventionDataset({"image": LEVELS}, NOTHING)[0])


class Stream(IterableDataset):
    def __iter__(self):
        yield LEVELS, 1

    def __len__(self):
        return 1


@pytest.mark.parametrize("data", [Stream(), iter([(LEVELS, 1)]), 5, None])
def test_data_without_numbered_items_are_refused_at_once(data):
    refused(DataError, "has no items by number; give a data set", lambda: InterventionDataset(data, NOTHING))


@pytest.mark.parametrize("seed", [-1, 0.5, "zero", None, True])
def test_seeds_are_whole_numbers_from_0(seed):
    refused(ConfigError, "seed: give a whole number, 0 or more", lambda: item_of(LEVELS, seed=seed))


@pytest.mark.parametrize(
    "wrap", [lambda one: InterventionDataset(Given((LEVELS, 1)), one), InterventionTransform, InterventionLayer]
)
def test_interventions_are_taken_by_name(wrap):
    assert wrap("low_pass").intervention == LowPass()
    assert wrap({"name": "low_pass", "bandwidth": 3}).intervention == LowPass(3)
    refused(ConfigError, "unknown intervention 'low_pas'", lambda: wrap("low_pas"))
    refused(ConfigError, "not an intervention: None", lambda: wrap(None))
    refused(ConfigError, "not an intervention: <class", lambda: wrap(LowPass))


def test_what_an_intervention_refuses_is_told_with_the_item():
    data = InterventionDataset(Given((LEVELS, 1), (LEVELS, 7)), Inject("paired", 0.1), classes=4)
    assert data[0][1] == 1
    refused(CotoolkitError, "item 1 of the Given: labels run from 7 to 7", lambda: data[1])


def test_injected_items_may_leave_the_unit_range_for_the_next_intervention():
    first = InterventionDataset(Given((LEVELS, 1), (LEVELS, 2)), Inject("paired", 0.4), classes=4)
    part, _ = random_split(first, [1, 1], torch.Generator().manual_seed(0))
    image, _ = InterventionDataset(part, NOTHING)[0]
    assert image.min() < 0 or image.max() > 1
    assert torch.equal(image, first[part.indices[0]][0])


def test_a_pipeline_that_normalises_first_is_refused():
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.25])]
    pipeline = v2.Compose([*steps, InterventionTransform(Inject("paired", 0.1), classes=4)])
    refused(DataError, "the image: pixels run from .* before normalisation", lambda: pipeline(LEVELS, 1))


def test_labels_of_a_transform_are_whole_numbers_too():
    transform, image = InterventionTransform(NOTHING), torch.rand(1, 6, 8)
    assert transform(image, np.int64(3))[1] == 3
    _, labels = transform(torch.rand(3, 1, 6, 8), [0, 1, 2])
    assert labels.tolist() == [0, 1, 2]
    for label, message in (("cat", "number the classes"), (1.7, "one is 1.7"), (torch.eye(4)[1], "one-hot")):
        refused(DataError, f"the label: .*{message}", lambda label=label: transform(image, label))
    refused(DataError, "the labels: 2 labels for 3 images", lambda: transform(torch.rand(3, 1, 6, 8), [0, 1]))


def test_one_after_the_other_they_go_together():
    """Alone, what a high-pass filter leaves cannot be told from images that were normalised."""
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0)).round()
    parts = ({"name": "high_pass", "bandwidth": 3.0}, "low_pass")
    high = InterventionTransform(parts[0])(image)
    assert high.min() < -0.5
    with pytest.raises(DataError, match="go together, by Compose"):
        InterventionTransform(parts[1])(high)
    both = InterventionTransform(Compose(tuple(map(parse_intervention, parts))))(image)
    torch.testing.assert_close(both, LowPass()(high[None])[0][0])


def test_an_item_that_cannot_be_read_is_named_once():
    class Broken(list):
        def __getitem__(self, index):
            raise OSError("broken file")

    with pytest.raises(DataError) as told:
        InterventionDataset(InterventionDataset(Broken([0, 0]), "low_pass"), "low_pass")[1]
    assert str(told.value).count("item 1") == str(told.value).count("mend it") == 1
