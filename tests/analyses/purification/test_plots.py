import dataclasses

import numpy as np
import pytest

from analyses.purification import plots
from cotoolkit.core.errors import ConfigError
from cotoolkit.plotting.style import save


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (plots.coefficient_pictures, 4),
        (plots.accuracy_curves, 3),
        (plots.time_course, 3),
        (plots.purification_ratios, 2),
        (plots.model_comparison, 2),
    ],
)
def test_figures_are_drawn_from_tables_alone(draw, panels, tiny_tables, tmp_path):
    figure, axes = draw(tiny_tables)
    assert len(axes) == panels
    assert all(axis.has_data() for axis in axes)
    assert save(figure, tmp_path / "figure.png").stat().st_size > 5000


def test_curves_are_means_over_seeds(tiny_tables):
    _, axes = plots.accuracy_curves(tiny_tables)
    curves = tiny_tables.curves
    rows = curves[(curves["setting"] == "tiny") & (curves["attack"] == "pgd") & (curves["stage"] == "fgm")]
    (line,) = (line for line in axes[0].lines if line.get_label() == "after FGM training")
    np.testing.assert_allclose(line.get_ydata(), rows.groupby("radius")["accuracy"].mean())


def test_coefficients_fall_from_the_top_one(tiny_tables):
    _, axes = plots.coefficient_pictures(tiny_tables)
    for axis in axes[:-1]:
        for line in axis.lines:
            heights = line.get_ydata()
            assert heights[0] == 1
            assert (np.diff(heights) <= 0).all()


def test_without_all_stages_there_is_nothing_to_draw(tiny_tables):
    bare = tiny_tables.scalars[tiny_tables.scalars["setting"] != "tiny"]
    with pytest.raises(ConfigError, match="run a whole scale"):
        plots.accuracy_curves(dataclasses.replace(tiny_tables, scalars=bare))
