"""The early warning's numbers are those of the files in the gallery."""

from pathlib import Path

import pandas as pd
import pytest

from analyses.early_warning.docs_page import page

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "figures" / "gallery"
PAGE = (ROOT / "docs" / "early_warning.md").read_text()


def test_the_numbers_of_the_early_warning_are_those_of_the_tables():
    assert page(PAGE, GALLERY) == PAGE  # `python -m analyses.early_warning.docs_page` writes them


def test_the_traces_are_those_that_the_tables_count():
    settings = pd.read_csv(GALLERY / "alarm_bench_settings.csv").set_index("setting")
    path = GALLERY / "alarm_bench_traces.parquet"
    assert path.stat().st_size < 20e6
    runs = pd.read_parquet(path, columns=["run", "setting"]).drop_duplicates()
    assert runs["setting"].value_counts().to_dict() == settings.loc[settings["runs"] > 0, "runs"].to_dict()


@pytest.mark.parametrize(("word", "name"), [("wong", "Wong"), ("sora", "SORA"), ("elle-a", "ELLE-A")])
def test_published_rules_by_setting_add_up_to_their_scores(word, name):
    settings, scores = (pd.read_csv(GALLERY / f"alarm_bench_{table}.csv") for table in ("settings", "scores"))
    for scored, rows in (("all", settings), ("held out", settings[settings["held_out"]])):
        (score,) = scores[scores["rule"].str.startswith(name) & (scores["scored"] == scored)].to_dict("records")
        assert rows[f"{word}_missed"].sum() == round(score["terminal_missed"] * score["terminal_breaks"])
        assert rows[f"{word}_false"].sum() == round(score["false_per_healthy_run"] * score["healthy"])
