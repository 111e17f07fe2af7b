from __future__ import annotations

import pytest
import torch

from figures.co_features.controls import matched_betas, matched_filter_snr
from figures.co_features.setups.setup import SETUPS

DIGITS = SETUPS["digits"]


def test_matched_filter_snr_by_hand() -> None:
    # Along (1, 1) / sqrt 2 the projections are sqrt 2 * (0, 2, 4): spread 2 sqrt 2; ||v|| = sqrt 2.
    images = torch.tensor([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]]).view(3, 1, 1, 2)
    vectors = torch.ones(1, 1, 1, 2)
    assert matched_filter_snr(images, vectors) == pytest.approx(0.5)
    assert matched_filter_snr(images, 3 * vectors) == pytest.approx(1.5)  # a longer feature stands out more


def test_matched_strengths_are_smaller_where_the_images_are_quieter() -> None:
    betas = matched_betas(DIGITS)
    assert betas["high"] < DIGITS.beta  # digits have little energy at high frequencies
