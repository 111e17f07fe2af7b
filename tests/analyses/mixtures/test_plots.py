import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from analyses.mixtures import plots
from analyses.mixtures.statistics.directions import coefficients, common_direction
from cotoolkit.core.errors import ConfigError
from tests._helpers.planted_mixtures import planted, random_rows

WORLD = planted(0)


def table():
    rows = [
        (model, layer, statistic, value + seed, 0.5, seed)
        for seed in (0, 2)
        for model, value in (("early", 1.0), ("late", 3.0), ("other", 9.0))
        for layer in ("0", "2")
        for statistic in ("angle_clean", "off_diagonal")
    ]
    return pd.DataFrame(rows, columns=["model", "layer", "statistic", "value", "null", "seed"])


def test_matched_maps_have_the_diagonal_that_permuted_ones_lack():
    order = torch.randperm(48, generator=torch.Generator().manual_seed(0))
    _, axes = plots.cosine_maps({"a": (WORLD.pure, WORLD.pure[order]), "b": (WORLD.pure, WORLD.units)})
    assert len(axes) == 4
    by_index, matched = (axes[row].images[0].get_array() for row in (0, 2))
    assert np.diagonal(matched).min() > 0.99
    assert np.diagonal(by_index).mean() < 0.2
    assert axes[0].get_title().startswith("a\nmean |cos|: diagonal")
    assert axes[2].get_title() == "mean |cos|: diagonal 1.00, rest 0.00"


def test_rows_and_columns_of_a_map_are_in_the_same_order():
    _, axes = plots.cosine_maps({"itself": (WORLD.units, WORLD.units)})
    shown = axes[0].images[0].get_array()
    assert np.allclose(np.diagonal(shown), 1, atol=1e-5)
    assert np.allclose(shown, shown.T, atol=1e-6)


def test_histograms_are_shares_of_units():
    _, axes = plots.cosine_histograms({"pair": (WORLD.units, WORLD.pure), "same": (WORLD.pure, WORLD.pure)})
    for patch in axes[1].patches:
        assert patch.get_data().values.sum() == pytest.approx(1)
    lineage = axes[1].patches[0].get_data()
    assert lineage.values[-1] == 1


def test_mixture_histogram_shows_the_coefficients():
    _, axes = plots.mixture_histograms({"layer": (WORLD.units, WORLD.pure)})
    drawn = axes[0].patches[0].get_data()
    expected, _ = np.histogram(coefficients(WORLD.units, common_direction(WORLD.units)), drawn.edges)
    assert drawn.values == pytest.approx(expected / 48)
    assert drawn.edges[0] == pytest.approx(-drawn.edges[-1])
    assert "100% on one side" in axes[0].get_title()


def test_series_draws_the_mean_over_seeds_in_order():
    _, axes = plots.checkpoint_series(table(), {"late": 20, "early": 10}, ["angle_clean", "off_diagonal"])
    assert [axis.get_title() for axis in axes] == ["angle_clean", "off_diagonal"]
    means = [line for line in axes[0].lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert means[0].get_xdata().tolist() == [10, 20]
    assert means[0].get_ydata().tolist() == [2, 4]


def test_series_of_what_is_not_there_is_said_in_a_line():
    with pytest.raises(ConfigError, match="no statistic angle_start"):
        plots.checkpoint_series(table(), {"late": 1}, ["angle_start"])
    with pytest.raises(ConfigError, match="no model last"):
        plots.checkpoint_series(table(), {"last": 1}, ["angle_clean"])


def test_spectra_sum_to_one_beside_a_random_one():
    _, axes = plots.weight_spectra({"clean": WORLD.units, "robust": WORLD.pure})
    assert [line.get_label().split(" (")[0] for line in axes[0].lines] == ["clean", "robust", "random"]
    assert all(np.sum(line.get_ydata()) == pytest.approx(1, abs=1e-5) for line in axes[0].lines)


def test_more_spectra_than_colours_can_be_drawn():
    _, axes = plots.weight_spectra({str(index): WORLD.pure for index in range(12)})
    assert len(axes[0].lines) == 13


def test_small_layers_can_be_drawn():
    rows = random_rows(1, 2, 5)
    plots.cosine_maps({"two units": (rows, rows)})
    plots.cosine_histograms({"one unit": (rows[:1], rows[:1])})
    assert not plt.get_fignums()
