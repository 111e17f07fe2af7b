import pytest
import torch

from cotoolkit.plotting.preview import preview
from cotoolkit.plotting.style import save


@pytest.mark.parametrize("channels", [1, 3])
def test_preview_has_a_row_per_image(channels, tmp_path):
    images = torch.rand(2, channels, 9, 7)
    figure, axes = preview(images, images + 0.1, ["a", "b"])
    assert len(axes) == 10
    assert axes[2].get_title() == "difference\n±0.1"
    assert axes[5].get_ylabel() == "b"
    assert save(figure, tmp_path / "deep" / "a.png").stat().st_size > 1000
