"""What users of neighbouring libraries complain about in public, about images, data sets and settings.

One row is one situation; its comment names the public thread that it is from.
"""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate, random_split
from torchvision import tv_tensors

from cotoolkit import attacks
from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.evaluation import evaluate
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.intake.points import points_of
from interventions import Inject
from interventions.base import InterventionError
from tests._helpers.brought import POINTS, PROTOCOL, refused

IMAGES = {
    # pytorch/pytorch#92680, aleju/imgaug#630: negative strides after a flip
    "negative strides": lambda x: np.ascontiguousarray(x.numpy()[..., ::-1])[..., ::-1],
    # pytorch/vision#4353, PrincetonLIPS/SketchGraphs#17: arrays that cannot be written to
    "read-only": lambda x: np.frombuffer(x.numpy().tobytes(), "float32").reshape(x.shape),
    # pytorch/pytorch#3671, cositools/cosipy#636: files that are big-endian
    "big-endian": lambda x: x.numpy().astype(">f4"),
    # bethgelab/foolbox#187: channels last
    "channels last in memory": lambda x: x.contiguous(memory_format=torch.channels_last),
    # images of torchvision's transforms, a subclass of tensors
    "tv_tensors": tv_tensors.Image,
    # bethgelab/foolbox#293: one image after the other
    "a list of tensors": list,
    # MNIST in its own shape, bethgelab/foolbox#359
    "without channels": lambda x: x[:, 0],
    # LaurentMazare/tch-rs#701: "Could not run 'aten::view' with arguments from the 'SparseCPU' backend"
    "sparse": torch.Tensor.to_sparse,
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_the_number_on_such_images_is_that_on_plain_ones(name, plain, expected):
    model, images, labels, threat = plain
    found = evaluate(model, IMAGES[name](images.clone()), labels, threat, PROTOCOL)
    assert found.accuracy.value == pytest.approx(expected.accuracy.value)


SETTINGS = {
    # DebangLi/one-pixel-attack-pytorch#3: "'float' object cannot be interpreted as an integer"
    "steps 2.5": ("pgd", {"steps": 2.5, "generator": None}, "steps: give a whole number, 1 or more, not 2.5"),
    "no queries": (
        "square_attack",
        {"queries": -1, "generator": torch.Generator()},
        "queries: give a whole number, 1 or more, not -1",
    ),
    # pytorch/pytorch#62152: generators of another kind
    "a seed for a generator": ("pgd", {"generator": 7}, r"generator is 7; give torch.Generator\(\).manual_seed\(7\)"),
    # Harry24k/adversarial-attacks-pytorch: alpha in other units or signs
    "alpha in words": ("fgsm", {"alpha": "small"}, "alpha: not a number: 'small'; write 0.03 or 8/255"),
    "alpha below 0": ("fgsm", {"alpha": -0.1}, "alpha is -0.1"),
    # bethgelab/foolbox#648, #74: which mode
    "another mode": ("fgsm", {"bn_mode": "test"}, "bn_mode is 'test'; give train or eval"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_attacks_are_looked_at(name, plain):
    attack, settings, message = SETTINGS[name]
    refused(ConfigError, message, lambda: getattr(attacks, attack)(*plain, **settings))


def test_alpha_is_a_number_of_any_kind(plain):
    one, other = (attacks.fgsm(*plain, alpha=alpha).delta for alpha in ("2/255", 2 / 255))
    assert torch.equal(one, other)


class Broken(Dataset):
    def __init__(self, images, labels, broken):
        self.images, self.labels, self.broken = images, labels, broken

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if index == 5 and self.broken is ValueError:
            raise ValueError("corrupt image 5")
        return None if index == 5 and self.broken is None else (self.images[index], int(self.labels[index]))


def test_data_sets_that_break(plain):
    _, images, labels, _ = plain
    # Lightning-AI/pytorch-lightning#6753: items that are None, left out by a collate function; items that fail
    refused(DataError, "ValueError: corrupt image 5", lambda: points_of(Broken(images, labels, ValueError)))
    refused(DataError, "of NoneType; give pairs", lambda: points_of(Broken(images, labels, None)))
    loader = DataLoader(
        Broken(images, labels, None), batch_size=16, collate_fn=lambda items: default_collate([i for i in items if i])
    )
    assert len(points_of(loader).labels) == POINTS - 1


def test_a_split_has_its_own_labels(plain):  # pytorch/pytorch#97944
    _, images, labels, _ = plain
    whole = TensorDataset(images, labels)
    part = random_split(whole, [60, 40], torch.Generator().manual_seed(0))[0]
    found = points_of(part)
    assert torch.equal(found.labels.sort().values, labels[torch.as_tensor(part.indices)].sort().values)


INJECTED = {
    "numpy": (lambda x, y: (x.numpy(), y), "images must be a tensor"),
    "list": (lambda x, y: (x, y.tolist()), "labels must be a tensor of integers, not a list"),
    # pytorch/vision#546, #567: ToTensor does not scale floats
    "levels": (lambda x, y: (255 * x, y), r"images reach 255; give them in \[0, 1\]"),
    # bethgelab/foolbox#187: channels last
    "channels last": (lambda x, y: (x.permute(0, 2, 3, 1), y), "channels first"),
}


@pytest.mark.parametrize("name", INJECTED)
def test_an_intervention_takes_tensors_in_the_unit_range(name, plain):
    _, images, labels, _ = plain
    change, message = INJECTED[name]
    refused(InterventionError, message, lambda: Inject("paired", beta="8/255")(*change(images, labels), classes=10))


def test_labels_from_1(plain):  # pytorch/vision#98: SVHN's labels run from 1 to 10
    model, images, labels, threat = plain
    refused(
        DataError,
        "labels go up to 10, and the model has 10 outputs",
        lambda: evaluate(model, images, labels + 1, threat, PROTOCOL),
    )


def test_everything_in_half_a_pixel(plain):  # RobustBench/robustbench#155: float16 images
    model, images, labels, threat = plain
    found = evaluate(model, images.half(), labels, threat, PROTOCOL)
    right = run_protocol(model, images.half().float(), labels, threat, PROTOCOL)
    assert torch.equal(found.correct, right.correct)
