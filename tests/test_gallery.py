"""The early warning's numbers are those of the files in the gallery."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.early_warning.docs_page import page

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "figures" / "gallery"
PAGE = (ROOT / "docs" / "early_warning.md").read_text()
EARLIER = PAGE.partition("## An earlier benchmark")[2]


def test_the_earlier_benchmark_is_quoted_as_it_came_out():
    table = pd.read_csv(GALLERY / "alarm_bench_earlier_scores.csv").set_index(["rule", "split"])
    runs = pd.read_csv(GALLERY / "alarm_bench_earlier_runs.csv")
    counts = runs["kind"].value_counts()
    text = " ".join(EARLIER.split())
    kinds = f"{counts['collapse']} overfit catastrophically, {counts['healthy']} stay healthy"
    assert f"{len(runs)} seeded runs, of which {kinds}" in text
    detected = runs[(runs["kind"] == "healthy")]["breaks"].sum()
    shipped = table.loc[("combined: alarm of free signals, confirmed by a probe, as shipped", "none")]
    missed = round(shipped["missed"] * counts["collapse"])
    assert (
        f"misses {missed} of {counts['collapse']}, and raises {detected} false alarms in {counts['healthy']} healthy"
        in text
    )
    assert f"median of {-shipped['delay']:.0f} iterations before PGD accuracy halves" in text
    assert f"90 % within {np.ceil(shipped['delay_90']):.0f} iterations after" in text
    combined = "combined: alarm of free signals, confirmed by a probe"
    for name, rule, split in (
        ("combined, as shipped", f"{combined}, as shipped", "none"),
        ("combined, fitted on other seeds", combined, "seed"),
        ("combined, fitted on other settings", combined, "setting"),
        ("gradient alignment, fitted on other seeds", "gradient_alignment", "seed"),
    ):
        row = table.loc[(rule, split)]
        (line,) = [line for line in EARLIER.splitlines() if line.startswith(f"| {name} |")]
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


def test_the_numbers_of_the_early_warning_are_those_of_the_tables():
    assert page(PAGE, GALLERY) == PAGE  # `python -m analyses.early_warning.docs_page` writes them


def test_the_traces_are_those_that_the_tables_count():
    settings = pd.read_csv(GALLERY / "alarm_bench_settings.csv").set_index("setting")
    path = GALLERY / "alarm_bench_traces.parquet"
    assert path.stat().st_size < 20e6
    runs = pd.read_parquet(path, columns=["run", "setting"]).drop_duplicates()
    assert runs["setting"].value_counts().to_dict() == settings.loc[settings["runs"] > 0, "runs"].to_dict()
