import pytest
import torch
import torch.nn.functional as F

from cotoolkit.data import Augmentation

COUNT, PADDING = 400, 2
CPU = torch.device("cpu")


def drawn(augment, seed=0):
    return Augmentation.draw(augment, PADDING, COUNT, torch.Generator().manual_seed(seed), CPU)


@pytest.fixture
def pixels():
    return torch.randint(1, 256, (COUNT, 2, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("augment", ["none", "flip", "crop", "crop_flip"])
def test_every_image_is_its_crop_then_its_flip(pixels, augment):
    augmentation = drawn(augment)
    indices = torch.arange(0, COUNT, 3)
    result = augmentation(pixels[indices], indices)
    assert result.dtype == torch.uint8
    for ours, index in zip(result, indices.tolist(), strict=True):
        expected = pixels[index]
        if "crop" in augment:
            row, column = int(augmentation.rows[index]), int(augmentation.columns[index])
            expected = F.pad(expected, [PADDING] * 4)[:, row : row + 5, column : column + 6]
        if "flip" in augment and augmentation.flips[index]:
            expected = expected.flip(2)
        assert torch.equal(ours, expected)


def test_draws_are_uniform(pixels):
    augmentation = drawn("crop_flip")
    for offsets in (augmentation.rows, augmentation.columns):
        counts = torch.bincount(offsets)
        assert len(counts) == 2 * PADDING + 1
        assert counts.min() > 0.6 * COUNT / len(counts)
    assert 0.4 < augmentation.flips.float().mean() < 0.6


def test_flipping_keeps_every_pixel(pixels):
    flipped = drawn("flip")(pixels, torch.arange(COUNT))
    assert torch.equal(flipped.sum((1, 2, 3)), pixels.sum((1, 2, 3)))
    assert not torch.equal(flipped, pixels)


def test_draws_depend_on_the_generator_alone():
    assert torch.equal(drawn("crop", 5).rows, drawn("crop", 5).rows)
    assert not torch.equal(drawn("crop", 5).rows, drawn("crop", 6).rows)


@pytest.mark.parametrize("augment", ["none", "flip", "crop", "crop_flip"])
@pytest.mark.parametrize("seed", range(3))
def test_undoing_puts_every_pixel_back(augment, seed):
    augmentation, indices = drawn(augment, seed), torch.arange(1, COUNT, 2)
    draws = torch.Generator().manual_seed(seed)
    before, outside = torch.rand(2, len(indices), 3, 5, 6, generator=draws)
    after = augmentation.undone(augmentation(before, indices), indices, outside)
    seen = augmentation.undone(torch.ones_like(before), indices, torch.zeros_like(before)) > 0
    assert torch.equal(after[seen], before[seen])
    assert torch.equal(after[~seen], outside[~seen])
    assert ("crop" in augment) == bool((~seen).any())
    assert seen.float().mean() > 0.4  # 3 of 5 rows are seen at least, and 4 of 6 columns
    once_more = augmentation(after, indices)
    padded = augmentation(torch.ones_like(before), indices) > 0
    assert torch.equal(once_more[padded], augmentation(before, indices)[padded])
