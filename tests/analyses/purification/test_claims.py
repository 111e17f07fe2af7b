import numpy as np
import pandas as pd
import pytest

from analyses.core.claims import judge_claims
from analyses.core.judging.verdicts import check
from analyses.purification.claims import CLAIMS, CLEAN, PURIFIED
from analyses.purification.results import TheoryResults
from analyses.purification.tables import TheoryTables
from cotoolkit.core.errors import ConfigError

BY_KEY = {row.claim.key: row for row in [*CLEAN, *PURIFIED]}


class OneSize:
    """Results of one setting, whose numbers are given."""

    def __init__(self, numbers):
        self.numbers = numbers

    def by_size(self, measure):
        return {25: measure(lambda stage, statistic: np.array(self.numbers[stage, statistic])).tolist()}


def measured(key, numbers):
    return BY_KEY[key].value(OneSize(numbers))[25]


def test_every_claim_says_where_it_and_its_threshold_come_from():
    assert len(BY_KEY) == len(CLEAN) + len(PURIFIED)
    assert {f"P{number}" for number in range(1, 17)} == {key.partition("-")[0] for key in BY_KEY}
    for row in CLAIMS.rows:
        assert row.claim.threshold != row.claim.null
        assert "arXiv 2005.10190 [" in row.claim.source
        assert "threshold ours: " in row.claim.source


def test_measures_by_hand():
    numbers = {
        ("clean", "accuracy_clean"): [0.98],
        ("clean", "accuracy_pgd"): [0.78],
        ("fgm", "accuracy_pgd"): [0.90],
        ("clean", "accuracy_fgm"): [0.80],
        ("clean", "accuracy_universal"): [0.81],
        ("clean", "accuracy_random"): [0.962],
        ("fgm", "accuracy_fgm"): [0.90],
        ("fgm", "accuracy_universal"): [0.93],
        ("edits", "restored_fgm"): [0.83],
        ("edits", "removed_universal"): [0.90],
        ("clean", "epsilon"): [0.06],
        ("fgm", "epsilon"): [0.015],
        ("clean", "epsilon_over_k_d"): [0.1],
        ("clean", "participation"): [3.0],
        ("fgm", "participation"): [1.5],
        ("linear+on", "accuracy_pgd"): [0.70],
        ("linear+at", "accuracy_pgd"): [0.71],
    }
    expected = {
        "P4-order": 1,
        "P6-loss": 0.2,
        "P6-universal": 0.01,
        "P6-random": 0.1,
        "P8-mixture": 0.25,
        "P8-participation": 0.25,
        "P11-recovery": 0.6,
        "P11-gap": 0,
        "P14-linear": 0.01,
        "P15-restored": 0.7,
        "P15-removed": 0.75,
    }
    assert {key: measured(key, numbers)[0] for key in expected} == pytest.approx(expected)


def test_a_net_that_is_not_purified_fails():
    rows = {
        ("clean", "epsilon"): [0.06, 0.061, 0.06, 0.06, 0.06],
        ("fgm", "epsilon"): [0.058, 0.06, 0.059, 0.06, 0.058],
    }
    assert check(BY_KEY["P8-mixture"].claim, measured("P8-mixture", rows)).verdict == "fails"


def judged(key, numbers):
    (result,) = judge_claims([BY_KEY[key]], OneSize(numbers))
    return result


def test_what_longer_clean_training_does_not_do_is_asked_where_fgm_training_does_it():
    epsilons = {("clean", "epsilon"): [0.06] * 5, ("clean_on", "epsilon"): [0.059, 0.06, 0.058, 0.059, 0.06]}
    assert (
        judged("P12-mixture", {**epsilons, ("fgm", "epsilon"): [0.015, 0.014, 0.015, 0.016, 0.015]}).verdict == "holds"
    )
    idle = judged("P12-mixture", {**epsilons, ("fgm", "epsilon"): [0.055, 0.056, 0.055, 0.054, 0.056]})
    assert idle.verdict == "untestable"
    assert idle.premise.startswith('"FGM training removes most of the mixture" does not hold (0.92')


def test_premises_are_asked_at_the_sizes_of_their_claim():
    """Only the smaller setting has the control, and only the larger one is purified."""
    numbers = {
        16: {("clean", "epsilon"): 0.06, ("clean_on", "epsilon"): 0.06, ("fgm", "epsilon"): 0.06},
        25: {("clean", "epsilon"): 0.06, ("fgm", "epsilon"): 0.015},
    }
    scalars = [
        {"role": "size", "d": d, "seed": seed, "stage": stage, "statistic": name, "value": value + 1e-4 * seed}
        for d, own in numbers.items()
        for (stage, name), value in own.items()
        for seed in range(5)
    ]
    frames = {name: pd.DataFrame() for name in TheoryTables.names()}
    results = TheoryResults(TheoryTables(**{**frames, "scalars": pd.DataFrame(scalars)}))
    (found,) = judge_claims([BY_KEY["P12-mixture"]], results)
    assert found.verdict == "untestable"


def test_seeds_without_a_gain_have_no_share_of_it():
    rows = {("clean", "accuracy_fgm"): [0.8, 0.8], ("fgm", "accuracy_fgm"): [0.9, 0.7]}
    found = measured("P15-restored", {**rows, ("edits", "restored_fgm"): [0.85, 0.6]})
    assert found[0] == pytest.approx(0.5)
    assert np.isnan(found[1])


def test_judgement_is_of_the_largest_size_with_the_trend_over_sizes(tiny_tables):
    results = {result.claim.key: result for result in CLAIMS.judge(TheoryResults(tiny_tables))}
    assert set(BY_KEY) <= set(results)
    assert {"P4-slope", "Q-radius", "Q-course"} <= set(results)
    assert "Q-window" not in results  # no d has enough different k
    loss = results["P6-loss"]
    wide = tiny_tables.scalars.pivot_table(index=["d", "role", "seed"], columns=["stage", "statistic"], values="value")
    expected = wide["clean", "accuracy_clean"] - wide["clean", "accuracy_pgd"]
    assert loss.found.mean == pytest.approx(expected.loc[25].mean())
    small, large = expected.loc[16, "size"].mean(), expected.loc[25].mean()
    assert loss.trend.mean == pytest.approx((large - small) / np.log2(25 / 16))


def test_tables_without_controls_are_refused(tiny_tables):
    bare = tiny_tables.scalars[tiny_tables.scalars["setting"] != "tiny"]
    parts = {name: getattr(tiny_tables, name) for name in TheoryTables.names()}
    with pytest.raises(ConfigError, match="run a whole scale"):
        CLAIMS.judge(TheoryResults(TheoryTables(**{**parts, "scalars": bare})))
