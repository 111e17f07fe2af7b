import pytest
import torch

from interventions import InterventionError, LabelNoise


@pytest.fixture
def many():
    return torch.zeros(10_000, 1, 1, 1), torch.arange(10_000) % 5


def test_symmetric_noise_spreads_evenly_over_the_other_classes(many, generator):
    images, labels = many
    out_images, noisy = LabelNoise(0.4)(images, labels, generator, classes=5)
    assert torch.equal(out_images, images)
    joint = torch.zeros(5, 5).index_put_((labels, noisy), torch.ones(10_000), accumulate=True) / 2000
    expected = 0.1 + 0.5 * torch.eye(5)  # 0.4 / 4 for each other class, 0.6 stays
    assert (joint - expected).abs().max() < 0.05  # standard deviation at most 0.011


def test_pair_noise_moves_to_the_next_class(many, generator):
    images, labels = many
    _, noisy = LabelNoise("1/4", kind="pair")(images, labels, generator, classes=5)
    moved = noisy != labels
    assert torch.equal(noisy[moved], (labels[moved] + 1) % 5)
    assert moved.double().mean().item() == pytest.approx(0.25, abs=0.02)


def test_rates_zero_and_one_are_exact(many, generator):
    images, labels = many
    assert torch.equal(LabelNoise(0)(images, labels, generator, classes=5)[1], labels)
    assert (LabelNoise(1)(images, labels, generator, classes=5)[1] != labels).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
def test_narrow_label_types_do_not_overflow(dtype, generator):
    labels = torch.full((1000,), 120, dtype=dtype)
    _, noisy = LabelNoise(1)(torch.zeros(1000, 1, 1, 1), labels, generator, classes=125)
    assert noisy.dtype == dtype
    assert noisy.min() >= 0
    assert noisy.max() == 124
    assert (noisy != 120).all()


@pytest.mark.parametrize("classes", [None, 1])
def test_noise_needs_two_classes(classes, generator):
    with pytest.raises(InterventionError, match="label_noise needs the number of classes"):
        LabelNoise(0.1)(torch.zeros(1, 1, 1, 1), torch.tensor([0]), generator, classes=classes)
