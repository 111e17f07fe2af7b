"""Numbers behind claims of the papers, taken from the stored tables by pandas alone.

Nothing of this project is imported. What is compared is the sample of a claim, one value per seed;
`test_verdicts_recomputed` goes on from there.
"""

import json
from pathlib import Path

import pandas as pd
import pytest

GALLERY = Path(__file__).parents[2] / "figures" / "gallery"


def wide(data, values, **where):
    """A column by seed, of the rows with these values."""
    for name, value in where.items():
        data = data[data[name] == value]
    return data.set_index("seed")[values].sort_index()


def of_figure_1(data, epsilon, beta):
    """The paper's digitised numbers stand in the same table."""
    return data[(data["series"] == "ours") & (data["epsilon"] == epsilon) & (data["beta"] == beta)].set_index("seed")


def any_strength(data):
    ours = data[(data["series"] == "ours") & (data["epsilon"] == 0.15) & (data["beta"] > 0)]
    return ours.groupby("seed")["breakpoint"].count() > 0


def image_gain(data, event, group, first, second):
    cells = {"kind": "adversarial", "event": event, "group": group}
    return wide(data, "accuracy", arm=first, **cells) - wide(data, "accuracy", arm=second, **cells)


def even_response(data, when):
    channels = data[data["when"] == when].groupby(["seed", "channel"])["value"]
    shares = (
        channels.sum().abs() / data[data["when"] == when]["value"].abs().groupby([data["seed"], data["channel"]]).sum()
    )
    return shares.groupby("seed").mean()


def broke(data, **where):
    return wide(data, "breakpoint", **where).notna()


def bound_holds(data):
    hr = data[data["r"] == data["r"].max()].set_index("seed")
    return (hr["G6"] > 0).where(hr["test_accuracy"] > 0.15)


CLAIMS = {
    ("co_features/figure_1/digits", "P1"): lambda data: of_figure_1(data, 0.25, 0.15)["breakpoint"].notna(),
    ("co_features/figure_1/digits", "P4"): lambda data: (
        of_figure_1(data, 0.25, 0.25)["robust"] - of_figure_1(data, 0.25, 0.15)["robust"]
    ),
    ("co_features/figure_1/digits", "smallest"): any_strength,
    ("co_features/figure_1/digits", "dead"): lambda data: of_figure_1(data, 0.25, 0.15)["robust"].where(
        of_figure_1(data, 0.25, 0.15)["breakpoint"].notna()
    ),
    ("co_features/shortcut/digits", "P2_network"): lambda data: (
        wide(data, "clean", arm="standard") - wide(data, "clean", arm="standard 0")
    ),
    ("gradalign/radius_sweep/digits", "fgsm_small"): lambda data: wide(data, "robust", method="fgsm", epsilon=0.15),
    ("gradalign/radius_sweep/digits", "fgsm_large"): lambda data: broke(data, method="fgsm", epsilon=0.3),
    ("gradalign/radius_sweep/digits", "rs_collapses"): lambda data: broke(data, method="rs_fgsm", epsilon=0.3),
    ("gradalign/filters/paper", "becomes"): lambda data: even_response(data, "after") - even_response(data, "before"),
    ("benign_at/finding_a/digits", "a_clean"): lambda data: image_gain(
        data, "clean", "linked", "all", "without atypical"
    ),
    ("benign_at/finding_b/digits", "b_robust"): lambda data: image_gain(
        data, "robust", "typical", "without flagged", "without atypical"
    ),
    ("feature_purification/predictions/digits", "P1-accuracy"): lambda data: wide(
        data, "value", setting="d100", table="scalars", stage="clean", statistic="accuracy_clean"
    ),
    ("holistic_robust/bounds/digits", "nominal_bound"): bound_holds,
}


@pytest.mark.parametrize(("figure", "key"), CLAIMS)
def test_the_sample_of_a_claim_is_what_its_table_holds(figure, key):
    stored = json.loads((GALLERY / figure / "claims.json").read_text())["claims"]
    (claim,) = (one for one in stored if one["key"] == key)
    found = CLAIMS[figure, key](pd.read_csv(GALLERY / figure / "data.csv")).astype(float)
    assert not claim["source"].startswith("ours")
    ((_, sample),) = claim["values"].items()
    assert pd.Series(sample, dtype=float).tolist() == pytest.approx(found.tolist(), rel=1e-9, nan_ok=True)
    assert claim["found"]["mean"] == pytest.approx(found.mean(), rel=1e-9)
    assert claim["found"]["seeds"] == found.count()
