import pandas as pd
import pytest

from analyses.breakpoint_mixtures.plots import by_layer, grafts
from tests.analyses.breakpoint_mixtures.test_lookup import measures


def layers(world):
    found = {"mean": 0.1, "low": 0.0, "high": 0.2, "n": 3, "world": world}
    names = ("dense share", "share of the collapse from its change alone")
    return pd.DataFrame([{"layer": layer, "measure": measure, **found} for measure in names for layer in ("0", "2")])


@pytest.mark.parametrize("worlds", [["a"], ["a", "b"]])
def test_layers_run_from_the_first_at_the_top_in_every_world(worlds):
    _, axes = by_layer(pd.concat([layers(world) for world in worlds]), worlds)
    assert len(axes) == 2 * len(worlds)
    for axis in axes:
        assert axis.yaxis_inverted()
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["0", "2"]


@pytest.mark.parametrize("worlds", [1, 2])
def test_the_legend_of_grafts_fits_the_figure(worlds):
    table = pd.concat([measures().assign(world=str(world)) for world in range(worlds)])
    figure, _ = grafts(table, [str(world) for world in range(worlds)])
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
