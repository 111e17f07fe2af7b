"""Pixels outside their bounds: advice that fits the range that was seen."""

import pytest
import torch

from cotoolkit import diagnose
from cotoolkit.core.errors import DataError
from cotoolkit.intake.normalisation import in_unit
from tests._helpers.networks import conv_net

UNIT = torch.linspace(0, 1, 240).view(4, 1, 6, 10)

OUTSIDE = {
    "a little above": (UNIT + 0.001, (0, 1), "clip them, images.clamp(0, 1)", "255"),
    "a little below": (UNIT - 0.05, (0, 1), "clip them, images.clamp(0, 1)", "mean"),
    "a little outside of levels": (UNIT * 260, (0, 255), "clip them, images.clamp(0, 255)", "divide"),
    "16 levels": (UNIT * 16, (0, 1), "divide the images by that greatest value", "255"),
    "8 bits": (UNIT * 255, (0, 1), "state 0,255 if that is what the model takes, or divide the images by 255", "mean"),
    "8 bits, rather dark": (UNIT * 140, (0, 1), "divide the images by 255", "mean"),
    "16 bits": (UNIT * 65535, (0, 1), "state 0,65535 if", "by 255"),
    "8 bits for -1 to 1": (UNIT * 255, (-1, 1), "divide the images by 255 and map them to -1 to 1", "mean"),
    "normalised": ((UNIT - 0.3) / 0.3, (0, 1), "before normalisation (images * std + mean undoes it)", "divide"),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_advice_fits_the_range(name):
    pixels, bounds, advice, other = OUTSIDE[name]
    with pytest.raises(DataError) as caught:
        in_unit(pixels, "the images", bounds)
    assert advice in str(caught.value)
    assert other not in str(caught.value).partition(";")[2]
    assert "\n" not in str(caught.value)


def test_normalised_images_whose_statistics_are_stated_are_told_to_be_undone():
    images, labels = (torch.rand(20, 1, 6, 6) - 0.3) / 0.3, torch.arange(20) % 4
    with pytest.raises(DataError, match=r"images \* std \+ mean undoes it\), and state"):
        diagnose(conv_net(), (images, labels), epsilon=0.1, mean=0.3, std=0.3)
