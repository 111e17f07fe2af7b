"""What the recipes of feature purification compute, against cases that are known."""

import io

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.purification.predictions import judge
from analyses.purification.tables import Tables
from figures.feature_purification.angles import by_layer
from figures.feature_purification.deep import towards_class
from figures.feature_purification.low_rank_update import claims as low_rank_claims
from figures.feature_purification.patches import explained_energy, patches_of
from figures.feature_purification.theory import judged, source_of, stacked, tables_of

GALLERY = "figures/gallery/purification_smoke_{}.parquet"


def test_whose_a_prediction_is():
    made = "Allen-Zhu & Li, arXiv 2005.10190 [{}]; threshold ours: most"
    assert source_of(made.format("S")).startswith("paper [S]")
    for tags in ("R-high", "D, R-med", "D", "R-high; of low rank: S"):
        assert source_of(made.format(tags)).startswith("ours: ")
        assert f"[{tags}]" in source_of(made.format(tags))
    with pytest.raises(ValueError, match="no tags"):
        source_of("somebody")


def test_tables_come_back_from_csv():
    tables = Tables(
        scalars=pd.DataFrame({"setting": "a", "seed": [0, 1], "stage": "clean", "statistic": "x", "value": [0.1, 0.2]}),
        neurons=pd.DataFrame({"setting": "a", "unit": [0, 1], "pure": [True, False], "stage": "clean"}),
        coefficients=pd.DataFrame({"setting": "a", "unit": [3], "atom": [4], "coefficient": [0.5]}),
        curves=pd.DataFrame({"setting": "a", "seed": [0], "radius": [0.1], "accuracy": [0.9]}),
        course=pd.DataFrame({"setting": "a", "seed": [1], "phase": "fgm", "step": [10], "value": [0.3]}),
    )
    text = stacked(tables).to_csv(index=False)
    again = tables_of(pd.read_csv(io.StringIO(text)))
    pd.testing.assert_frame_equal(again.scalars, tables.scalars, check_dtype=False)
    assert again.neurons["pure"].tolist() == [1, 0]
    assert again.coefficients.iloc[0].to_dict() == {"setting": "a", "unit": 3, "atom": 4, "coefficient": 0.5}


def test_judged_says_what_the_analysis_says_but_for_the_source():
    frames = {name: pd.read_parquet(GALLERY.format(name)) for name in ("scalars", "course")}
    others = {name: pd.DataFrame({"setting": ["d100"], "seed": [0]}) for name in ("neurons", "coefficients", "curves")}
    tables = Tables(**frames, **others)
    expected, found = judge(tables), judged(stacked(tables))
    assert [r.claim.key for r in found] == [r.claim.key for r in expected]
    assert [r.verdict for r in found] == [r.verdict for r in expected]
    assert {r.claim.source.split()[0] for r in found} == {"paper", "ours:"}
    assert [r.claim.key for r in judged(stacked(tables), ["P8-mixture"])] == ["P8-mixture"]


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
    table = by_layer(data, "clean-robust")
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
    found = {r.claim.key: r.found.mean for r in low_rank_claims(pd.concat([ranks, whole]))}
    assert found == {"low_rank": pytest.approx(0.5), "biases": pytest.approx(0.25), "random": pytest.approx(0.0)}
