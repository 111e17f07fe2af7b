import pytest
import torch


@pytest.fixture
def images():
    return torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))
