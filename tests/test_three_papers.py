"""The claims of three papers, as the documents quote them, are those of the result files."""

import re
from pathlib import Path

import pandas as pd
import pytest

from analyses.claims_document import GALLERY, document
from analyses.local_ball.plan import PLANS
from analyses.papers import PaperClaim, table, verdict

DOCS = Path(__file__).parents[1] / "docs"
FILES = sorted(GALLERY.glob("*_claims.csv"))
STUDIES = ("holistic", "memorisation", "local_ball")


def rows(**verdicts):
    numbers = {"mean": 1.0, "low": 0.5, "high": 1.5, "expected": "above 0"}
    return pd.DataFrame([{"claim": claim, "verdict": found, **numbers} for claim, found in verdicts.items()])


def test_the_page_is_generated_from_the_result_files():
    assert (DOCS / "claims.md").read_text() == document(), "run: python -m analyses.claims_document > docs/claims.md"


def test_the_gallerys_readme_quotes_claims_as_they_came_out():
    """Quoted as `key` mean [low, high] below a heading that names STUDY_SCALE."""
    text = (GALLERY / "README.md").read_text()
    quoted = 0
    for study in STUDIES:
        for part in re.findall(rf"\*\*`({study}_\w+)`\*\*(.*?)(?=\n\*\*`|\n## |\Z)", text, re.DOTALL):
            claims = pd.read_csv(GALLERY / f"{part[0]}_claims.csv").set_index("claim")
            for key, numbers in re.findall(r"`([a-z_]+)`\s+(\S+\s\[\S+,\s\S+\])", " ".join(part[1].split())):
                row = claims.loc[key]
                shown = f"{row['mean']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"
                assert numbers == shown, f"{part[0]} {key}"
                quoted += 1
    assert quoted > 10


def test_what_a_local_ball_hides_is_quoted_as_measured():
    """Accuracy under all attacks (`robust`) and under PGD-50 alone, on average and of the two runs that hide most."""
    table = pd.read_csv(GALLERY / "local_ball_smoke_outcomes.csv")
    assert table["hidden"].to_numpy() == pytest.approx((table["pgd-50"] - table["robust"]).to_numpy(), abs=1e-9)
    ball, pgd = (table[table["arm"] == arm] for arm in ("lbt", "pgd-3"))
    assert set(ball["cost"]) == set(pgd["cost"])  # "at equal cost"
    assert ball["breakpoint"].isna().tolist() == [True] * 3  # "three networks that show no break"
    rho = PLANS["smoke"].sweep()["lbt"]

    whole, alone = (100 * ball[attack].mean() for attack in ("robust", "pgd-50"))
    rival = 100 * pgd["robust"].mean()
    readme = " ".join((GALLERY / "README.md").read_text().split())
    assert (
        f"the arm with rho = {rho:g} has {whole:.0f} % against {alone:.0f} % under PGD-50 alone, "
        f"PGD-3 at equal cost {rival:.0f} %"
    ) in readme

    masked = 100 * ball.nlargest(2, "hidden").set_index("seed")[["pgd-50", "robust"]]
    held = {attack: " and ".join(f"{share:.0f}" for share in masked[attack].sort_index()) for attack in masked}
    page = " ".join((DOCS / "local_ball.md").read_text().split())
    assert (
        f"two of three LBT-M networks that show no break hold out against PGD-50 at {held['pgd-50']} % "
        f"and against all three attacks at {held['robust']} %"
    ) in page


@pytest.mark.parametrize("file", [file for file in FILES if file.name.startswith(STUDIES)], ids=lambda f: f.stem)
def test_verdicts_follow_from_the_intervals(file):
    for row in pd.read_csv(file).to_dict("records"):
        side, threshold = row["expected"].split()
        if row["seeds"] < 3:
            assert row["verdict"] == "undecided"
            continue
        above, below = row["low"] > float(threshold), row["high"] < float(threshold)
        right, wrong = (above, below) if side == "above" else (below, above)
        assert row["verdict"] == ("holds" if right else "fails" if wrong else "undecided"), row["claim"]


def test_a_verdict_needs_every_claim():
    keys = ("a", "b")
    assert verdict(rows(a="holds", b="holds"), keys) == "supported"
    assert verdict(rows(a="holds", b="undecided"), keys) == "undecided"
    assert verdict(rows(a="holds"), keys) == "undecided"
    assert verdict(rows(a="holds", b="fails"), keys) == "not supported"
    assert verdict(rows(c="holds"), keys) == "not tested"


def test_what_no_study_tests_says_so(tmp_path):
    rows(a="holds").to_csv(tmp_path / "one_smoke_claims.csv")
    claims = [PaperClaim("P", "s", "[P]", "one", ("a",), "limits"), PaperClaim("P", "t", "[P]", "", (), "why")]
    lines = table(claims, tmp_path).splitlines()
    assert lines[2] == "| P | s | [P] | supported | not run | smoke: a 1 [0.5, 1.5], above 0 expected. limits |"
    assert lines[3] == "| P | t | [P] | not testable here | not testable here | why |"
