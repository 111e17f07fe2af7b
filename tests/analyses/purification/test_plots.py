import numpy as np
import pytest

from analyses.claims import Claim, check
from analyses.purification import plots
from analyses.purification.predictions import judge
from analyses.style import save
from cotoolkit.errors import ConfigError


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


def test_the_forest_says_every_verdict_in_words(tiny_tables, tmp_path):
    results = judge(tiny_tables)
    figure, (axis,) = plots.claims_forest(results)
    said = [text.get_text() for text in axis.texts]
    assert len(said) == len(results)
    assert all(word.endswith(result.verdict) for word, result in zip(said, results, strict=True))
    save(figure, tmp_path / "forest.png")


def test_the_forest_puts_null_at_0_and_threshold_at_1():
    claims = [Claim("a", "rises", "share", "above", 0.5, 0), Claim("b", "hardly moves", "share", "below", 0.1, 0)]
    results = [check(claims[0], [0.9, 1.0, 1.1]), check(claims[1], [0.04, 0.05, 0.06])]
    _, (axis,) = plots.claims_forest(results)
    filled, hollow = (line for line in axis.lines if line.get_marker() == "o")
    assert filled.get_xdata()[0] == pytest.approx(2)
    assert hollow.get_xdata()[0] == pytest.approx(0.5)
    assert hollow.get_markerfacecolor() == "white"


def test_nothing_to_draw_is_an_error(tiny_tables):
    with pytest.raises(ConfigError):
        plots.claims_forest([])
