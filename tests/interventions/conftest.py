import pytest
import torch
from torch import Tensor


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small tensors: more threads only wait for each other
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    """Twenty 3 x 8 x 12 images in [0, 1], float64."""
    return torch.rand(20, 3, 8, 12, dtype=torch.float64, generator=generator)


@pytest.fixture
def labels() -> Tensor:
    """Two of each of ten classes, in an order that is not sorted."""
    return torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7, 7, 8, 6, 2, 9, 5, 0, 4, 1, 3])
