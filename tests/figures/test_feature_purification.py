"""What the recipes of feature purification compute, against cases that are known."""

import io

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.core.study import Findings
from analyses.purification.claims import CLAIMS
from analyses.purification.study import judge_theory
from analyses.purification.tables import TheoryTables
from figures.catalogue import find_recipes
from figures.feature_purification.experiments.deep_measures import pixel_rows, towards_class
from figures.feature_purification.experiments.deep_results import DeepResults
from figures.feature_purification.experiments.image_grid import image_grid
from figures.feature_purification.experiments.patches import explained_energy, patches_of
from figures.feature_purification.experiments.synthetic_world import JUDGED_BY, source_of, theory_claims
from figures.feature_purification.filters import CLAIMS as FILTER_CLAIMS
from figures.feature_purification.low_rank_update import CLAIMS as LOW_RANK_CLAIMS
from figures.records.files import as_stored
from figures.study_commands import THEORY
from tests._helpers.tiny_theory import PLAN, tiny_tables

__all__ = ["tiny_tables"]

STORED = "figures/gallery/feature_purification/predictions/digits/data.csv"


def test_whose_a_prediction_is():
    made = "Allen-Zhu & Li, arXiv 2005.10190 [{}]; threshold ours: most"
    assert source_of(made.format("S")).startswith("paper [S]")
    for tags in ("R-high", "D, R-med", "D", "R-high; of low rank: S"):
        assert source_of(made.format(tags)).startswith("ours: ")
        assert f"[{tags}]" in source_of(made.format(tags))
    with pytest.raises(ValueError, match="no tags"):
        source_of("somebody")


def test_tables_come_back_from_csv():
    tables = TheoryTables(
        scalars=pd.DataFrame({"setting": "a", "seed": [0, 1], "stage": "clean", "statistic": "x", "value": [0.1, 0.2]}),
        neurons=pd.DataFrame({"setting": "a", "unit": [0, 1], "pure": [True, False], "stage": "clean"}),
        coefficients=pd.DataFrame({"setting": "a", "unit": [3], "atom": [4], "coefficient": [0.5]}),
        curves=pd.DataFrame({"setting": "a", "seed": [0], "radius": [0.1], "accuracy": [0.9]}),
        course=pd.DataFrame({"setting": "a", "seed": [1], "phase": "fgm", "step": [10], "value": [0.3]}),
    )
    text = tables.stacked().to_csv(index=False)
    again = TheoryTables.unstacked(pd.read_csv(io.StringIO(text)))
    pd.testing.assert_frame_equal(again.scalars, tables.scalars, check_dtype=False)
    assert again.neurons["pure"].tolist() == [1, 0]
    assert again.coefficients.iloc[0].to_dict() == {"setting": "a", "unit": 3, "atom": 4, "coefficient": 0.5}


def test_the_recipes_claims_say_what_the_analysis_says_but_for_the_source():
    data = pd.read_csv(STORED)
    expected, found = CLAIMS(data), theory_claims()(data)
    assert {r.claim.key: r.verdict for r in found} == {r.claim.key: r.verdict for r in expected}
    whose = [r.claim.source.split()[0] for r in found]
    assert whose == sorted(whose, reverse=True)  # those of the paper first
    assert set(whose) == {"paper", "ours:"}


def test_every_prediction_stands_in_one_figure():
    keys = [row.claim.key for figure in ("predictions", *JUDGED_BY) for row in theory_claims(figure).rows]
    assert sorted(keys) == sorted(row.claim.key for row in CLAIMS.rows)


@pytest.fixture(scope="module")
def findings(tiny_tables):
    tables = {"theory": tiny_tables.stacked()}
    return Findings(PLAN, tables, judge_theory(PLAN, tables))


@pytest.fixture
def drawn(findings):
    """Axes with data of a figure of the theory, by name."""

    def of(name):
        (recipe,) = find_recipes(name)
        data = as_stored(recipe.of_findings(findings))
        assert recipe.claims(data)
        return [axis for axis in recipe.draw(data).axes if axis.has_data()]

    return of


@pytest.mark.parametrize(("name", "panels"), list(zip(THEORY.figures, (1, 4, 3, 3, 2, 2), strict=True)))
def test_figures_of_the_theory_show_an_experiment(name, panels, drawn):
    assert len(drawn(name)) == panels


def test_curves_are_means_over_seeds(tiny_tables, drawn):
    curves = tiny_tables.curves
    rows = curves[(curves["setting"] == "tiny") & (curves["attack"] == "pgd") & (curves["stage"] == "fgm")]
    (line,) = (line for line in drawn("robustness_curves")[0].lines if line.get_label() == "then FGM training")
    np.testing.assert_allclose(line.get_ydata(), rows.groupby("radius")["accuracy"].mean())


def test_coefficients_fall_from_the_top_one(drawn):
    for axis in drawn("feature_purification/coefficients")[:-1]:
        for line in axis.lines:
            heights = line.get_ydata()
            assert heights[0] == 1
            assert (np.diff(heights) <= 0).all()


def test_ratios_are_those_of_living_units(tiny_tables, drawn):
    units = tiny_tables.neurons[(tiny_tables.neurons["setting"] == "tiny") & (tiny_tables.neurons["stage"] == "fgm")]
    left, _ = drawn("purification_ratios")
    assert np.nanmax(left.lines[0].get_xdata()[1:]) == pytest.approx(
        units.loc[units["alive_clean"] == 1, "ratio"].max()
    )


def test_patches_are_centred_and_of_length_one():
    images = torch.rand(3, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    images[0, :, :3, :3] = 0.5  # one flat patch
    found = patches_of(images, (3, 3), most=1000)
    assert found.shape == (3 * 9 - 1, 18)
    assert torch.allclose(found.mean(1), torch.zeros(26, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(found.norm(dim=1), torch.ones(26, dtype=torch.float64))
    assert len(patches_of(images, (3, 3), most=5)) == 5


def test_explained_energy_of_orthogonal_atoms():
    atoms = torch.eye(6) - 1 / 6  # centred; not orthogonal
    patches = atoms[:2] / atoms[:2].norm(dim=1, keepdim=True)
    assert explained_energy(patches, atoms, 1) == pytest.approx(1.0)
    # Orthogonal centred atoms: with one of them a patch keeps the larger of its two energies.
    pair = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1]])
    mixed = (0.8 * pair[0] + 0.6 * pair[1]) / 2**0.5
    assert explained_energy(mixed[None], pair, 1) == pytest.approx(0.64)
    assert explained_energy(mixed[None], pair, 2) == pytest.approx(1.0)


def test_towards_the_other_class():
    images = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    labels, turned = torch.tensor([0, 1]), torch.tensor([1, 1])
    found = towards_class(torch.full((2, 1, 2, 2), 0.1), images, labels, turned, classes=2)
    assert found[0] == pytest.approx(1.0)
    assert torch.isnan(found[1])  # the class stays


def test_layers_keep_their_order():
    data = pd.DataFrame(
        {
            "pair": "clean-robust", "statistic": "median", "seed": [0, 0, 1, 1], "layer": ["z", "a", "z", "a"],
            "value": [1.0, 2.0, 3.0, 4.0],
        }
    )  # fmt: skip
    table = DeepResults(data).angles_by_layer("clean-robust")
    assert table.columns.tolist() == ["z", "a"]
    assert table["a"].tolist() == [2.0, 4.0]


def test_low_rank_gain_is_counted_from_clean_to_robust():
    kinds = [("update", 4, 0.4), ("random", 4, 0.1), ("clean biases", -1, 0.25)]
    ranks = pd.DataFrame(kinds * 3, columns=["network", "rank", "value"]).assign(
        part="ranks", statistic="pgd-10", seed=np.repeat([0, 1, 2], 3)
    )
    whole = pd.DataFrame([("clean", 0.1), ("robust", 0.7)] * 3, columns=["network", "value"]).assign(
        part="accuracies", statistic="pgd-10", seed=np.repeat([0, 1, 2], 2)
    )
    found = {r.claim.key: r.found.mean for r in LOW_RANK_CLAIMS(pd.concat([ranks, whole]))}
    assert found == {"low_rank": pytest.approx(0.5), "biases": pytest.approx(0.25), "random": pytest.approx(0.0)}


def test_random_directions_are_no_control_where_the_update_of_that_rank_gives_nothing():
    ranks = [("update", 4, 0.15), ("random", 4, 0.1), ("clean biases", -1, 0.1)]
    tables = [
        pd.DataFrame(rows, columns=["network", "rank", "value"]).assign(part=part, statistic="pgd-10", seed=seed)
        for seed in range(5)
        for part, rows in (("ranks", ranks), ("accuracies", [("clean", -1, 0.1), ("robust", -1, 0.7 + 0.01 * seed)]))
    ]
    found = {r.claim.key: r.verdict for r in LOW_RANK_CLAIMS(pd.concat(tables))}
    assert found["low_rank"] == "fails"
    assert found["random"] == "untestable"


def test_robust_networks_are_compared_where_they_are_robust():
    rows = [
        {
            "part": part,
            "statistic": statistic,
            "network": network,
            "seed": seed,
            "value": value + 0.01 * seed * (place + 1),
        }
        for seed in range(5)
        for part, statistic, values in (
            ("accuracies", "pgd-10", {"clean": 0.1, "robust": 0.15, "fgsm": 0.15}),
            ("filter_statistics", "variation", {"clean": 2.0, "longer": 2.0, "robust": 1.0, "fgsm": 1.5}),
            ("filter_statistics", "lineage_cosine", {"robust": 0.8}),
            ("filter_statistics", "change_cosine", {"longer": 0.1, "fgsm": 0.6}),
        )
        for place, (network, value) in enumerate(values.items())
    ]
    assert {r.verdict for r in FILTER_CLAIMS(pd.DataFrame(rows))} == {"untestable"}
    data = pd.DataFrame(rows)
    data.loc[(data["part"] == "accuracies") & (data["network"] == "robust"), "value"] += 0.5
    of_pgd = {"kin", "smoother", "smoother_than_longer"}
    assert {r.claim.key for r in FILTER_CLAIMS(data) if r.verdict == "holds"} == of_pgd
    data.loc[(data["part"] == "accuracies") & (data["network"] == "fgsm"), "value"] += 0.5
    assert {r.verdict for r in FILTER_CLAIMS(data)} == {"holds"}


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_come_back_in_their_colours(channels):
    pictures = torch.rand(2, channels, 4, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    shown_as = {"a": pictures, "b": pictures.abs()}
    rows = [{"part": "filters", **row} for name, own in shown_as.items() for row in pixel_rows(own, network=name)]
    figure = image_grid(as_stored(pd.DataFrame(rows)), "filters", {"A": "a", "B": "b"}, 2, height=2, plain="b")
    grid = [axis for axis in figure.axes if axis.images]
    assert len(figure.axes) - len(grid) == (channels == 1)  # the bar that says what colours mean
    shown = [np.asarray(axis.images[0].get_array()) for axis in grid]
    for index, (scaled, plain) in enumerate(zip(shown[:2], shown[2:], strict=True)):
        expected = pictures[index].permute(1, 2, 0).squeeze(-1).numpy()
        np.testing.assert_allclose(plain, np.abs(expected), atol=1e-4)
        scale = 2 * np.abs(expected).max()
        np.testing.assert_allclose(scaled, expected if channels == 1 else 0.5 + expected / scale, atol=1e-4)
