import pytest
import torch

from cotoolkit.data import ImageSet


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    """An empty folder that COTOOLKIT_DATA names."""
    monkeypatch.setenv("COTOOLKIT_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def small_set():
    """50 images of 1 x 4 x 5 with distinct pixels, 3 classes."""
    pixels = torch.randint(0, 256, (50, 1, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ImageSet("small", pixels, torch.arange(50) % 3, 3, ("a", "b", "c"))
