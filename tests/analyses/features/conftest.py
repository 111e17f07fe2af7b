import pytest
import torch

from analyses.features.attributions import integrated_gradients


@pytest.fixture
def images():
    return torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def short_paths():
    """Paths of integrated gradients are refined once, not four times, which takes ten times as many calls.

    So give them 40 steps or more where results are compared: of few points one at which a ReLU turns weighs much.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integrated_gradients, "MOST_PARTS", 2)
        yield
