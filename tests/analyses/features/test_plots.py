import matplotlib as mpl
import pandas as pd
import pytest
import torch

from analyses.features.attributions.attribution import attribute
from analyses.features.maximisation import maximise
from analyses.features.plots import attribution_figure, filter_figure, frequency_figure, maximisation_figure
from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.style import save
from tests._helpers.toys import conv_net


@pytest.fixture(params=[1, 3])
def channels(request):
    return request.param


def draw(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_filters_of_two_models_beside_their_spectra(channels, tmp_path):
    filters = {"clean": draw(20, channels, 3, 3) - 0.5, "robust": torch.eye(3).expand(20, channels, 3, 3)}
    figure, axes = filter_figure(filters)
    assert len(axes) == 2 * 16 + 1
    robust = axes[-1].lines[1].get_ydata()
    assert robust == pytest.approx([1 / 3] * 3)  # the DCT of the unit matrix is the unit matrix
    assert axes[-1].lines[2].get_ydata() == pytest.approx([1 / 9, 3 / 9, 5 / 9])
    assert [axes[i].get_title() for i in (0, 15)] == ["0", "15"]
    assert save(figure, tmp_path / "filters.png").stat().st_size > 0
    assert len(filter_figure(filters, [5, 2])[1]) == 5


def test_maximising_images_of_two_models_from_one_start(channels, tmp_path):
    model, starts = conv_net(channels), draw(2, channels, 6, 6)
    found = {name: maximise(model, "3", [4, 0, 2], starts, 1.0, 2) for name in ("clean", "robust")}
    figure, axes = maximisation_figure(found, [4, 0, 2], start=1)
    assert len(axes) == 4 * 4  # two models, images and changes; the start and three units
    assert [axis.get_title() for axis in axes[:4]] == ["start", "unit 4", "unit 0", "unit 2"]
    shown = torch.tensor(axes[0].images[0].get_array().data)
    expected = starts[1].permute(1, 2, 0).squeeze(-1)
    torch.testing.assert_close(shown, expected)
    assert save(figure, tmp_path / "maximised.png").stat().st_size > 0


def test_attribution_maps_are_summed_over_channels(channels, tmp_path):
    model, images = conv_net(channels), draw(2, channels, 6, 6)
    maps = {("saliency", "clean"): attribute(model, images, torch.tensor([0, 1]), "saliency")}
    maps["integrated_gradients", "clean"] = attribute(model, images, torch.tensor([0, 1]), steps=3)
    figure, axes = attribution_figure(images, maps)
    assert [axis.get_title() for axis in axes[:3]] == ["image", "saliency\nclean", "integrated\ngradients\nclean"]
    credit = maps["saliency", "clean"][0].sum(0)
    shown = torch.tensor(axes[1].images[0].get_array().data)
    torch.testing.assert_close(shown, credit / credit.quantile(0.99))
    assert save(figure, tmp_path / "maps.png").stat().st_size > 0


def frequency_table():
    rows = [
        (model, "", f"fgsm_{band}_share", value + shift, value - 0.05, value + 0.15, 9)
        for model, shift in (("0", 0.0), ("10", 0.1))
        for band, value in (("low", 0.2), ("mid", 0.3), ("high", 0.5))
    ]
    return pd.DataFrame(rows, columns=["model", "layer", "statistic", "value", "low", "high", "n"])


def test_frequency_shares_over_models_in_the_given_order(tmp_path):
    figure, (axis,) = frequency_figure(frequency_table(), of="fgsm", order=["10", "0"])
    assert [list(line.get_ydata()) for line in axis.lines] == [
        pytest.approx([0.3, 0.2]),
        pytest.approx([0.4, 0.3]),
        pytest.approx([0.6, 0.5]),
    ]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["10", "0"]
    assert save(figure, tmp_path / "frequencies.png").stat().st_size > 0


def test_figures_leave_matplotlibs_settings_alone():
    before = mpl.rcParams["font.size"], mpl.rcParams["axes.spines.top"], mpl.rcParams["svg.hashsalt"]
    frequency_figure(frequency_table(), of="fgsm")
    assert (mpl.rcParams["font.size"], mpl.rcParams["axes.spines.top"], mpl.rcParams["svg.hashsalt"]) == before


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ConfigError, match="one shape"):
        filter_figure({"a": draw(2, 1, 3, 3), "b": draw(2, 1, 5, 5)})
    with pytest.raises(ConfigError, match="one shape"):
        filter_figure({})
    with pytest.raises(ConfigError, match="1 or 3 channels, not 2"):
        filter_figure({"a": draw(2, 2, 3, 3)})
    with pytest.raises(ConfigError, match="at least one model"):
        maximisation_figure({}, [0])
    with pytest.raises(ConfigError, match="shape of the images"):
        attribution_figure(draw(2, 1, 4, 4), {("saliency", "a"): draw(2, 1, 4, 5)})
    with pytest.raises(ConfigError, match="no input_gradient_low_share of 0, 10"):
        frequency_figure(frequency_table())
