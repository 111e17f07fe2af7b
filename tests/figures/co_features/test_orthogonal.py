from __future__ import annotations

import pytest
import torch

from figures.co_features.orthogonal import removed_energy


def test_removed_energy_by_hand() -> None:
    images = torch.tensor([3.0, 4.0]).view(1, 1, 1, 2)
    assert removed_energy(images, torch.tensor([3.0, 0.0]).view(1, 1, 1, 2)) == pytest.approx(16 / 25)
