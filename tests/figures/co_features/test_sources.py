from __future__ import annotations

import pytest
import torch

from figures.co_features.sources import digits16, unrelated_digits


def test_enlarged_digits_keep_their_mean_and_labels() -> None:
    from cotoolkit.data import DATASETS

    images, labels = digits16(train=False)
    _, own = DATASETS["digits"]().read(download=False)
    assert images.shape == (360, 1, 16, 16)
    assert images.dtype == torch.uint8
    assert torch.equal(labels, own.labels)
    assert images.float().mean() == pytest.approx(own.images.float().mean().item(), abs=1)


def test_unrelated_labels_keep_their_shares_and_say_nothing() -> None:
    from cotoolkit.data import DATASETS

    images, labels = unrelated_digits(train=True)
    own, _ = DATASETS["digits"]().read(download=False)
    assert torch.equal(images, own.images)
    assert torch.equal(labels.bincount(), own.labels.bincount())
    assert (labels == own.labels).float().mean() < 0.15
