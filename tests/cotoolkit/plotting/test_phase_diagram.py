import pytest
from matplotlib.colors import to_hex

from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.phase_diagram import phase_diagram, phase_scale
from tests._helpers.run_tables import run_tables


def annotations(axis):
    return [text.get_text() for text in axis.texts]


def test_phase_diagram_shows_means_and_shares_growing_upwards():
    table, _ = run_tables()
    table.loc[table["method"] == "pgd", "epsilon"] = 16 / 255
    figure, axes = phase_diagram(table, by=None)
    assert [axis.get_title() for axis in axes] == ["PGD-50 accuracy, mean", "CO, share of seeds"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["16/255", "8/255"]
    assert annotations(axes[0]) == ["55%", "55%", "55%", "10%"]
    assert annotations(axes[1]) == ["0%", "0%", "0%", "50%"]
    # One colour scale for all maps, with its bar.
    maps = [axis.collections[0] for axis in axes]
    assert {(one.get_cmap().name, *one.get_clim()) for one in maps} == {("cividis", 0.0, 1.0)}
    (bar,) = [axis for axis in figure.axes if axis not in axes]
    assert [bar.yaxis.get_major_formatter()(value) for value in bar.get_ylim()] == ["0%", "100%"]
    assert phase_scale()[0] == (0.0, to_hex(maps[0].cmap(0.0)))
    assert phase_scale()[-1] == (1.0, to_hex(maps[0].cmap(1.0)))


def test_phase_diagram_by_method_leaves_cells_without_runs_empty():
    table, _ = run_tables()
    table = table[(table["method"] == "fgsm") | (table["beta"] > 0)]
    _, axes = phase_diagram(table)
    assert [axis.get_title() for axis in axes[::2]] == ["fgsm: PGD-50 accuracy, mean", "pgd: PGD-50 accuracy, mean"]
    assert len([text for text in annotations(axes[2]) if text]) == 1


def test_tables_that_cannot_be_drawn_say_why():
    table, _ = run_tables()
    with pytest.raises(ConfigError, match="no column gamma; it has: run, method"):
        phase_diagram(table, x="gamma")
    with pytest.raises(ConfigError, match="no finished run"):
        phase_diagram(table.assign(verdict=""))
