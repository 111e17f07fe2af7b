import pickle

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

from cotoolkit.core.errors import CotoolkitError
from interventions import (
    Compose,
    Inject,
    InjectCorrelated,
    InterventionDataset,
    InterventionError,
    InterventionLayer,
    InterventionTransform,
    LabelNoise,
    LowPass,
    Project,
    SwapFrequencies,
)

RANDOM = Compose([LabelNoise(0.5), InjectCorrelated("zigzag", 0.1, rho=0.5)])


class Pictures(Dataset):
    """Twelve 3 x 6 x 8 pictures of pixel levels, labels 0 .. 3, in one of the forms data sets give."""

    levels = np.random.default_rng(0).integers(0, 256, (12, 6, 8, 3), dtype=np.uint8)

    def __init__(self, form):
        self.form = form

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return self.form(self.levels[index]), index % 4


FORMS = {
    "array": lambda x: x,
    "picture": PIL.Image.fromarray,
    "byte tensor": lambda x: torch.tensor(x).permute(2, 0, 1),
    "float tensor": lambda x: torch.tensor(x).permute(2, 0, 1) / 255,
    "float array": lambda x: (x / 255).astype(np.float32),
    "tv tensor": lambda x: tv_tensors.Image(torch.tensor(x).permute(2, 0, 1)),
}
PIXELS = torch.tensor(Pictures.levels).permute(0, 3, 1, 2) / 255
LABELS = torch.arange(12) % 4


def array_form(x):  # a lambda cannot be pickled
    return x


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_item_becomes_a_float_image_in_the_unit_box(form):
    data = InterventionDataset(Pictures(FORMS[form]), Inject("paired", 0.1), classes=4)
    expected, _ = Inject("paired", 0.1)(PIXELS, LABELS, classes=4)
    assert len(data) == 12
    for index, (image, label) in enumerate(data):
        assert type(image) is torch.Tensor
        assert image.dtype == torch.float32
        torch.testing.assert_close(image, expected[index])
        assert type(label) is int
        assert label == index % 4


def test_grey_pictures_get_a_channel():
    data = InterventionDataset(Pictures(lambda x: PIL.Image.fromarray(x[..., 0])), LowPass(64))
    torch.testing.assert_close(data[3][0], PIXELS[3, :1])


def test_an_item_depends_on_seed_and_index_alone():
    data = InterventionDataset(Pictures(array_form), RANDOM, classes=4, seed=5)
    forwards = [data[i] for i in range(12)]
    backwards = [data[i] for i in reversed(range(12))][::-1]
    for (one, one_label), (other, other_label) in zip(forwards, backwards, strict=True):
        assert torch.equal(one, other)
        assert one_label == other_label
    assert torch.equal(data[-1][0], data[11][0])
    with pytest.raises(IndexError):
        data[12]
    elsewhere = InterventionDataset(Pictures(array_form), RANDOM, classes=4, seed=6)
    assert any(not torch.equal(forwards[i][0], elsewhere[i][0]) for i in range(12))
    assert len({label for _, label in forwards}) > 1
    changes = [not torch.equal(forwards[i][0] - PIXELS[i], forwards[i + 4][0] - PIXELS[i + 4]) for i in range(8)]
    assert any(changes)  # items of one class do not share their draw


def test_two_workers_and_a_pickled_copy_give_what_direct_access_gives():
    data = InterventionDataset(Pictures(array_form), RANDOM, classes=4)
    batches = list(DataLoader(data, batch_size=5, num_workers=2))
    copy = pickle.loads(pickle.dumps(data))  # what a spawned worker gets
    direct = [data[i] for i in range(12)]
    assert torch.equal(torch.cat([images for images, _ in batches]), torch.stack([image for image, _ in direct]))
    assert torch.cat([labels for _, labels in batches]).tolist() == [label for _, label in direct]
    assert all(torch.equal(copy[i][0], direct[i][0]) and copy[i][1] == direct[i][1] for i in range(12))


def test_items_cannot_be_mixed():
    with pytest.raises(InterventionError, match="mixes the images of a batch"):
        InterventionDataset(Pictures(array_form), Compose([SwapFrequencies()]))


def pipeline(intervention, classes=4):
    return v2.Compose(
        [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), InterventionTransform(intervention, classes)]
    )


def test_transform_in_a_pipeline_of_images_and_labels():
    image, label = pipeline(Inject("paired", 0.1))(PIL.Image.fromarray(Pictures.levels[2]), 2)
    assert isinstance(image, tv_tensors.Image)
    assert type(label) is int
    assert label == 2
    expected, _ = Inject("paired", 0.1)(PIXELS[2:3], torch.tensor([2]), classes=4)
    torch.testing.assert_close(image.as_subclass(torch.Tensor), expected[0])


def test_transform_in_a_pipeline_of_images_alone():
    image = pipeline(LowPass(2))(PIL.Image.fromarray(Pictures.levels[2]))
    torch.testing.assert_close(image.as_subclass(torch.Tensor), LowPass(2)(PIXELS[2:3])[0][0])
    assert isinstance(image, tv_tensors.Image)


def test_transform_of_plain_tensors_with_tensor_labels():
    transform = InterventionTransform(Inject("paired", 0.1), classes=4)
    expected, _ = Inject("paired", 0.1)(PIXELS, LABELS, classes=4)
    images, labels = transform(PIXELS, LABELS)
    assert torch.equal(images, expected)
    assert torch.equal(labels, LABELS)
    image, label = transform(PIXELS[1], LABELS[1])
    torch.testing.assert_close(image, expected[1])
    assert label.shape == ()
    assert label == 1
    assert type(image) is torch.Tensor


def test_transform_follows_the_global_seed_as_torchvision_does():
    transform = InterventionTransform(RANDOM, classes=4)
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append(transform(PIXELS, LABELS)[0])
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert not torch.equal(transform(PIXELS, LABELS)[0], transform(PIXELS, LABELS)[0])


def test_transform_leaves_the_global_generator_alone_where_nothing_is_drawn():
    before = torch.get_rng_state()
    InterventionTransform(LowPass(2))(PIXELS)
    assert torch.equal(torch.get_rng_state(), before)


def test_transform_mixes_batches_only():
    transform = InterventionTransform(SwapFrequencies(2))
    assert transform(PIXELS).shape == PIXELS.shape
    with pytest.raises(InterventionError, match="mixes the images of a batch"):
        transform(PIXELS[0])


def test_transform_before_the_conversion_to_floats_is_explained():
    with pytest.raises(InterventionError, match="must be floating"):
        v2.Compose([v2.ToImage(), InterventionTransform(LowPass())])(Pictures.levels[0])


def test_layer_limits_input_gradients_to_its_band(generator):
    model = nn.Sequential(InterventionLayer(LowPass(2)), nn.Flatten(), nn.Linear(3 * 6 * 8, 4))
    x = PIXELS.clone().requires_grad_()
    model(x).square().sum().backward()
    assert x.grad.abs().max() > 0
    torch.testing.assert_close(LowPass(2)(x.grad)[0], x.grad)
    above = torch.randn(12, 3, 6, 8, generator=generator)
    above -= LowPass(2)(above)[0]
    torch.testing.assert_close(model(PIXELS + above), model(PIXELS), atol=1e-4, rtol=0)


def test_layer_with_a_carrier_and_its_printed_form():
    layer = InterventionLayer(Project("paired"), classes=4)
    assert torch.equal(layer(PIXELS), Project("paired")(PIXELS, classes=4)[0])
    assert "LowPass(domain='dct'" in repr(nn.Sequential(InterventionLayer(LowPass(2))))
    assert "Project(carrier=Paired" in repr(InterventionTransform(Project("paired"), classes=4))
    assert not list(layer.parameters())
    assert not layer.state_dict()


@pytest.mark.parametrize(
    ("intervention", "reason"),
    [(Inject("paired", 0.1), "needs labels"), (SwapFrequencies(), "is random"), (Compose([RANDOM]), "needs labels")],
)
def test_layer_refuses_what_a_model_cannot_do(intervention, reason):
    with pytest.raises(InterventionError, match=f"{reason}, so it cannot be a layer"):
        InterventionLayer(intervention)


@pytest.mark.parametrize("flag", ["mixes_images", "differentiable"])
def test_layer_refuses_by_every_flag(flag, monkeypatch):
    monkeypatch.setattr(LowPass, flag, flag == "mixes_images")
    with pytest.raises(InterventionError, match="cannot be a layer"):
        InterventionLayer(LowPass())


@pytest.mark.parametrize(
    "image", [PIL.Image.new("RGB", (8, 6)), Pictures.levels[0], [[0.5]]], ids=["picture", "array", "list"]
)
def test_what_is_no_tensor_yet_is_told_from_where_it_stands(image):
    with pytest.raises(InterventionError, match=r"put v2.ToImage\(\) before this step"):
        InterventionTransform(LowPass(2))(image)


@pytest.mark.parametrize("classes", ["4", 4.5, True])
def test_classes_are_counted(classes):
    with pytest.raises(CotoolkitError, match=r"classes is .*; give a whole number"):
        Inject("paired", beta=0.1)(PIXELS, LABELS, classes=classes)
