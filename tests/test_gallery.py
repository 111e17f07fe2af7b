"""The gallery's numbers are those of the files beside it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.breakpoint_mixtures.answers import answers
from analyses.breakpoint_mixtures.lookup import Lookup
from analyses.core.claims import verdict_table

GALLERY = Path(__file__).parents[1] / "figures" / "gallery"
TEXT = " ".join((GALLERY / "README.md").read_text().split())
MEASURES = pd.read_parquet(GALLERY / "across_break_smoke_measures.parquet")
CLAIMS = pd.read_csv(GALLERY / "across_break_smoke_claims.csv").set_index(["world", "claim"])


def shown(row: pd.Series, digits: int, sign: str = "") -> str:
    numbers = [f"{row[name]:{sign if name == 'mean' else ''}.{digits}f}" for name in ("mean", "low", "high")]
    return f"{numbers[0]} [{numbers[1]}, {numbers[2]}]".replace("-", "−")


@pytest.mark.parametrize("world", ["induced", "natural"])
def test_the_claims_follow_from_the_measures(world):
    found = verdict_table(answers(MEASURES, world)).set_index("claim")
    kept = CLAIMS.loc[world]
    assert found["verdict"].tolist() == kept["verdict"].tolist()
    pd.testing.assert_frame_equal(found[["mean", "low", "high"]], kept[["mean", "low", "high"]], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("claim", "digits", "sign", "worlds"),
    [
        ("falls_dense_lineage", 2, "", ["induced", "natural"]),
        ("returns_dense_lineage", 3, "+", ["induced", "natural"]),
        ("more_than_chance_dense_lineage", 3, "", ["induced", "natural"]),
        ("low_rank", 2, "", ["induced", "natural"]),
        ("random_graft_harmless", 2, "", ["induced", "natural"]),
        ("signature", 2, "+", ["induced", "natural"]),
        ("falls_energy_own_u1", 3, "", ["induced"]),
    ],
)
def test_the_study_is_quoted_as_it_came_out(claim, digits, sign, worlds):
    for world in worlds:
        row = CLAIMS.loc[(world, claim)]
        expected = shown(row, digits, sign)
        assert expected in TEXT, f"{world} {claim}"


@pytest.mark.parametrize(("world", "quoted"), [("induced", "40 % to 9 %"), ("natural", "20 % to 10 %")])
def test_the_falls_are_quoted_as_measured(world, quoted):
    look = Lookup(MEASURES, world)
    before, after = (look.at("fgsm", offset, "accuracy", "pgd-10").mean() for offset in (-32, 64))
    assert f"{100 * before:.0f} % to {100 * after:.0f} %" == quoted
    assert quoted in TEXT


def test_the_theory_is_quoted_as_it_came_out():
    claims = pd.read_csv(GALLERY / "purification_smoke_claims.csv").set_index("claim")
    counts = claims["verdict"].value_counts()
    sentence = f"{counts['holds']} of {len(claims)} claims hold, {counts['fails']} fail, {counts['undecided']} are open"
    assert sentence in TEXT
    for claim, unit in (("P6-loss", " points"), ("P11-recovery", " %"), ("P8-mixture", " %")):
        digits = 0 if claim == "P11-recovery" else 1
        low, high = (f"{100 * claims.loc[claim, end]:.{digits}f}" for end in ("low", "high"))
        mean = f"{100 * claims.loc[claim, 'mean']:.{0 if unit == ' %' else 1}f}"
        assert f"{mean}{unit} [{low}, {high}]" in TEXT
    readme = (GALLERY.parents[1] / "README.md").read_text()
    assert f"{len(claims)} claims checked" in readme


def test_the_alarm_is_quoted_as_it_came_out():
    table = pd.read_csv(GALLERY / "alarm_bench_scores.csv").set_index(["rule", "split"])
    runs = pd.read_csv(GALLERY / "alarm_bench_runs.csv")
    counts = runs["kind"].value_counts()
    assert f"{len(runs)} seeded runs, of which {counts['collapse']} collapse, {counts['healthy']} stay healthy" in TEXT
    detected = runs[(runs["kind"] == "healthy")]["breaks"].sum()
    readme = " ".join((GALLERY.parents[1] / "README.md").read_text().split())
    shipped = table.loc[("combined: alarm of free signals, confirmed by a probe, as shipped", "none")]
    missed = round(shipped["missed"] * counts["collapse"])
    assert (
        f"misses {missed} of {counts['collapse']}, and raises {detected} false alarms in {counts['healthy']} healthy"
        in readme
    )
    assert f"median of {-shipped['delay']:.0f} iterations before PGD accuracy halves" in readme
    assert f"90 % within {np.ceil(shipped['delay_90']):.0f} iterations after" in readme
    combined = "combined: alarm of free signals, confirmed by a probe"
    for name, rule, split in (
        ("combined, as shipped", f"{combined}, as shipped", "none"),
        ("combined, fitted on other seeds", combined, "seed"),
        ("combined, fitted on other settings", combined, "setting"),
        ("gradient alignment, fitted on other seeds", "gradient_alignment", "seed"),
    ):
        row = table.loc[(rule, split)]
        (line,) = [line for line in (GALLERY / "README.md").read_text().splitlines() if line.startswith(f"| {name} |")]
        shown_cells = [cell.replace("−", "-") for cell in line.split("|")[2:-1]]
        cells = [cell.split("[")[0].strip(" %") for cell in shown_cells]
        columns = (("delay", 1), ("delay_90", 1), ("missed", 100), ("false_per_healthy_run", 1))
        for cell, (column, unit) in zip(shown_cells, columns, strict=True):
            if "[" in cell:
                ends = [float(end) for end in cell.split("[")[1].strip(" ]").split(",")]
                expected = [unit * row[f"{column}_{end}"] for end in ("low", "high")]
                assert ends == pytest.approx(expected, rel=0.03, abs=0.05 if unit == 100 else 0.001)
        measured = [row["delay"], row["delay_90"], 100 * row["missed"], row["false_per_healthy_run"]]
        assert [float(cell) for cell in cells] == pytest.approx(measured, rel=0.03, abs=0.05)
