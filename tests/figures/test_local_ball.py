"""Does the stored table of local-ball training say what the analysis found?"""

import io
from pathlib import Path

import pandas as pd
import pytest

from analyses.local_ball.plan import PLANS
from analyses.local_ball.study import MEASURE
from figures.local_ball import ablation, cost, radius, sensitivity
from figures.local_ball.data import GALLERY_PLANS, read_local_ball
from figures.records.files import folder_of, read_data

SEEDS = range(5)
ROBUST = {"fgsm": 0.0, "lbt rho=0.25": 0.1, "lbt": 0.6, "lbt m=0": 0.2, "centre clean": 0.5}


@pytest.fixture
def data() -> pd.DataFrame:
    """FGSM breaks half-way, as do all but LBT with the larger ball; the loss peaks 0.3 before the end of the step."""
    runs = [
        {
            "arm": arm,
            "seed": seed,
            "robust": robust + 0.01 * seed,
            "pgd-50": robust,
            "escaped": arm in ("lbt", "centre clean"),
        }
        | {"breakpoint": None if arm in ("lbt", "centre clean") else 100.0}
        | {"onset": 1.0 if arm in ("lbt", "centre clean") else 0.5, "verdict": "", "cost": 1.0, "hidden": 0.0}
        for arm, robust in ROBUST.items()
        for seed in SEEDS
    ]
    measures = [
        {"arm": "fgsm", "seed": seed, "offset": offset, "statistic": "needed_median", "place": None, "value": 0.3}
        for seed in SEEDS
        for offset in (-8.0, 8.0)
    ]
    measures += [
        {"arm": arm, "seed": seed, "offset": None, "statistic": "kappa_worst", "place": place, "value": value * place}
        for arm, value in (("fgsm", 3.0), ("lbt", 1.0), ("centre clean", 0.5))
        for seed in SEEDS
        for place in (0.5, 1.0)
    ]
    table = pd.concat([pd.DataFrame(runs), pd.DataFrame(measures)[list(MEASURE)]], ignore_index=True)
    return pd.read_csv(io.StringIO(table.assign(scale="digits").to_csv(index=False)))


def test_the_table_is_read_as_the_analysis_reads_it(data):
    read = read_local_ball(data)
    assert read.of("lbt").tolist() == pytest.approx([0.6, 0.61, 0.62, 0.63, 0.64])
    assert read.sweep(0) == ([0.25, 0.5], [False, True])
    assert read.measured("fgsm", "needed_median", offset=8).tolist() == [0.3] * 5


def test_claims_of_the_radius(data):
    found = {one.claim.key: one for one in radius.CLAIMS(data)}
    assert found["threshold_after"].found.mean == 1  # 0.375, half-way between 0.25 and 0.5, is near 0.3
    assert found["if_and_only_if"].found.mean == 1
    assert found["if_and_only_if"].by == "exact binomial"
    assert found["delays_break"].found.mean == 0.5
    assert found["delays_break"].by == "log-rank test"
    assert "escape_is_real" not in found  # asks for PGD-3


def test_claims_of_parts_and_of_smoothness(data):
    found = {one.claim.key: one for one in [*ablation.CLAIMS(data), *sensitivity.CLAIMS(data)]}
    assert found["local_term_needed"].found.mean == pytest.approx(0.6)
    assert found["adversary_beats_clean"].found.mean == pytest.approx(0.1)
    assert found["steps_help"].found.mean == pytest.approx(0.5)
    assert found["smooth_at"].found.mean == pytest.approx(-1)
    assert found["smooth_beyond"].found.mean == pytest.approx(-2)
    assert found["smooth_by_centre"].verdict == "fails"
    assert all(one.claim.source.startswith("ours") for one in found.values())


def test_claims_of_the_cost_are_of_curves_and_beside_pgd(data):
    lbt = data[data["arm"].isin(["lbt", "lbt m=0"]) & data["statistic"].isna()].copy()
    costs = {"lbt m=0": 72.0, "lbt": 96.0, "pgd-2": 72.0, "pgd-3": 96.0}
    pgd = lbt.assign(arm=lbt["arm"].map({"lbt m=0": "pgd-2", "lbt": "pgd-3"}), robust=0.5)
    table = pd.concat([lbt, pgd], ignore_index=True)
    table["cost"] = table["arm"].map(costs)
    table["hidden"] = table["arm"].map({"lbt": 0.14, "pgd-2": 0.12}).fillna(0.5)
    found = {one.claim.key: one for one in cost.CLAIMS(table)}
    assert found["above_pgd"].found.mean == pytest.approx((0.22 + 0.62) / 2 - 0.5)
    assert found["not_masked"].found.mean == 1  # 2 points more than PGD's own
    alone = {one.claim.key: one for one in cost.CLAIMS(table[table["arm"] != "pgd-3"])}
    assert "above_pgd" not in alone  # one cost in common is no curve
    assert alone["not_masked"].found.mean == 1


def test_the_plan_is_a_part_of_the_study():
    own = {run.identity for run in GALLERY_PLANS["digits"].study().runs()}
    assert len(own) == 80
    assert own < {run.identity for run in PLANS["digits"].study().runs()}


def test_the_page_tells_the_numbers_of_the_gallery():
    runs = read_local_ball(read_data(folder_of(Path("figures/gallery"), "local_ball/cost", "digits"))).outcomes
    text = " ".join(Path("docs/local_ball.md").read_text().split())
    count = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    broke = runs.loc[runs["arm"] == "fgsm", "breakpoint"].notna()
    assert f"overfit catastrophically in {count[broke.sum()]} seeds of {count[len(broke)]}" in text
    networks = runs[runs["arm"] == "lbt"]
    masked = networks[networks["pgd-50"] > 0.7]
    pgd, worst = (
        f"{100 * masked[name].min():.0f} to {100 * masked[name].max():.0f} %" for name in ("pgd-50", "robust")
    )
    dated = count[masked["breakpoint"].notna().sum()]
    assert (
        f"{count[len(masked)]} of {count[len(networks)]} LBT-M networks, {dated} of them with a breakpoint, "
        f"hold out against PGD-50 at {pgd} and against all three attacks at {worst}"
    ) in text
