"""Every verdict on the stored pages, computed again from the values in the records with scipy alone.

Nothing of this project is imported: another writing of the same rules is what makes it a check.
"""

import json
import math
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

GALLERY = Path(__file__).parents[2] / "figures" / "gallery"
RECORDS = sorted(GALLERY.glob("*/*/*/claims.json"))
CHECKS = ["calibration"]  # of data and code, which do not count
PAGES = dict.fromkeys(path.parts[-4] for path in RECORDS)


def mean_of(values):
    """Student's t: estimate, lower and upper end, seeds, and p against a threshold."""
    known = pd.Series(values["values"], dtype=float).dropna()
    n = len(known)
    if n < 2:
        return known.mean(), (np.nan, np.nan), n, lambda threshold: np.nan
    mean, spread = known.mean(), known.std() / np.sqrt(n)
    low, high = stats.t.interval(0.95, n - 1, mean, spread) if spread > 0 else (mean, mean)

    def p(threshold):
        if known.nunique() == 1:
            return float(known.iloc[0] == threshold)
        return 2 * stats.t.sf(abs(mean - threshold) / spread, n - 1)

    return mean, (low, high), n, p


def clopper_pearson(hits, n):
    low = stats.beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0
    return low, stats.beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0


def wilson(hits, n):
    z = stats.norm.ppf(0.975)
    middle, reach = hits / n + z**2 / (2 * n), z * np.sqrt(hits / n * (1 - hits / n) / n + z**2 / (4 * n**2))
    return (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)


def binomial_p(hits, n, share):
    """Two-sided: all counts that are at most as likely as the one seen."""
    likely = stats.binom.pmf(np.arange(n + 1), n, share)
    return min(1.0, likely[likely <= likely[hits] * (1 + 1e-7)].sum())


def share_of(values):
    happened = pd.Series(values["happened"], dtype=float).dropna()
    n, hits = len(happened), int(happened.sum())
    if not n:
        return np.nan, (np.nan, np.nan), 0, lambda threshold: np.nan
    return hits / n, clopper_pearson(hits, n), n, lambda threshold: binomial_p(hits, n, threshold)


def share_difference(values, *, paired):
    first, second = (np.array(values[name]).astype(bool) for name in ("first", "second"))
    n = min(len(first), len(second))
    if not n:
        return np.nan, (np.nan, np.nan), 0, lambda threshold: np.nan
    (a, low_a, high_a), (b, low_b, high_b) = ((g.mean(), *wilson(g.sum(), len(g))) for g in (first, second))
    ends = a - b - np.hypot(a - low_a, high_b - b), a - b + np.hypot(high_a - a, b - low_b)
    if paired:
        gained, lost = int((first & ~second).sum()), int((~first & second).sum())
        ends = -upper_end_of_pairs(lost, gained, n), upper_end_of_pairs(gained, lost, n)

    def p(threshold):
        assert threshold == 0
        if paired:
            return binomial_p(gained, gained + lost, 0.5) if gained + lost else 1.0
        hits, both = int(first.sum()), int(first.sum() + second.sum())
        counts = np.arange(max(0, both - len(second)), min(both, len(first)) + 1)
        likely = stats.hypergeom.pmf(counts, len(first) + len(second), both, len(first))
        return min(1.0, likely[likely <= likely[counts == hits] * (1 + 1e-7)].sum())

    return a - b, around_0_unless(p(0) < 0.05, ends), n, p


def around_0_unless(rejected, ends):
    return ends if rejected else (min(ends[0], 0), max(ends[1], 0))


@cache
def upper_end_of_pairs(gained, lost, n):
    """The least difference above which a score test rejects all, however many pairs differ."""
    a, b = np.array([(a, b) for a in range(n + 1) for b in range(n + 1 - a)]).T
    c = n - a - b
    ways = np.array([math.comb(n, x) * math.comb(n - x, y) for x, y in zip(a, b, strict=True)])
    seen = np.flatnonzero((a == gained) & (b == lost))[0]

    def scores(difference):
        """With the likeliest share of losses at this difference, by halving where the likelihood has no slope."""
        low, high = np.full((2, len(a)), [[max(0.0, -difference)], [(1 - difference) / 2]])
        for _ in range(60):
            q = (low + high) / 2
            terms = (a, q + difference), (b, q), (-2 * c, 1 - difference - 2 * q)
            rises = sum(np.divide(k, p, out=np.zeros_like(q), where=k != 0) for k, p in terms) > 0
            low, high = np.where(rises, q, low), np.where(rises, high, q)
        spread = np.sqrt(np.maximum(n * (2 * low + difference - difference**2), 0))
        excess = a - b - n * difference
        none = np.where(np.abs(excess) < 1e-9, 0.0, np.sign(excess) * np.inf)
        return np.divide(excess, spread, out=none, where=(spread > 1e-7) & (np.abs(excess) >= 1e-9))

    def is_rejected(difference):
        found = scores(difference)
        as_low = found <= found[seen] + 1e-6
        q = np.linspace(max(0.0, -difference), (1 - difference) / 2, 101)[:, None]
        rest = np.maximum(1 - difference - 2 * q, 0)
        return (ways * (q + difference) ** a * q**b * rest**c)[:, as_low].sum(1).max() < 0.025

    estimate = round(200 * (gained - lost) / n)
    return next((d / 200 for d in range(estimate, 200) if is_rejected(d / 200)), 1.0)


def onset_difference(values):
    """Restricted means; the log-rank test with its hypergeometric variance. The bootstrap interval is not repeated.

    Events that should have come and did not say that the first group is later.
    """
    groups = [
        pd.DataFrame({"time": values[f"{other}times"], "event": values[f"{other}happened"], "first": not other})
        for other in ("", "other_")
    ]
    n = min(map(len, groups))
    difference = groups[0]["time"].mean() - groups[1]["time"].mean()
    both = pd.concat(groups)
    missing = variance = 0.0
    for time in both.loc[both["event"] == 1, "time"].unique():
        risk = both[both["time"] >= time]
        events = ((risk["time"] == time) & (risk["event"] == 1)).sum()
        share = risk["first"].mean()
        missing += events * share - ((risk["time"] == time) & (risk["event"] == 1) & risk["first"]).sum()
        if len(risk) > 1:
            variance += events * share * (1 - share) * (len(risk) - events) / (len(risk) - 1)

    def p(threshold):
        assert threshold == 0
        return stats.chi2.sf(missing**2 / variance, 1) if variance else np.nan

    return difference, (np.nan, np.nan) if n < 5 else None, n, p, missing


MEASURES = {
    "t interval": mean_of,
    "exact binomial": share_of,
    "McNemar's exact test": lambda values: share_difference(values, paired=True),
    "Fisher's exact test": lambda values: share_difference(values, paired=False),
    "log-rank test": onset_difference,
}


def could_decide(by, values, side, threshold):
    """Whether any outcome of so many seeds lies on that side: all seeds, or none, at once."""
    sizes = [len(pd.Series(sample, dtype=float).dropna()) for sample in values.values()]
    if by == "exact binomial":
        rest = 0.025 ** (1 / sizes[0])  # lower end of n of n
        return rest > threshold if side == "above" else 1 - rest < threshold
    if by == "McNemar's exact test":
        return 2 * 0.5 ** sizes[0] < 0.05
    if by == "Fisher's exact test":
        apart = stats.hypergeom.pmf(sizes[0], sum(sizes), sizes[0], sizes[0])
        return (2 if sizes[0] == sizes[1] else 1) * apart < 0.05
    return True


def recomputed(claim):
    """The verdict, and what disagrees with the stored numbers."""
    side, threshold = claim["expected"].split()
    values = {name: [np.nan if v is None else v for v in sample] for name, sample in claim["values"].items()}
    mean, ends, n, p_at, *score = MEASURES[claim["by"]](values)
    p, found = p_at(float(threshold)), claim["found"]
    assert found["seeds"] == n
    same(found["mean"], mean)
    if ends is not None:
        same(found["low"], ends[0])
        same(found["high"], ends[1])
    same(claim["p"], p, rel=1e-3)  # the threshold is stored with six digits
    for premise in () if claim["unjudged"] else claim["premises"]:
        verdict = recomputed(premise)
        assert premise["verdict"] == verdict
        if verdict not in ("supported", "the same in every seed"):
            return "shown" if verdict == "shown" else "not testable here"
    if claim["unjudged"] or n < 5 or not could_decide(claim["by"], values, side, float(threshold)):
        return "shown"
    if claim["by"].endswith("test"):
        higher = (score or [mean])[0]
        where = None if not p < 0.05 or higher == 0 else "above" if higher > 0 else "below"
    else:
        where = "above" if ends[0] > float(threshold) else "below" if ends[1] < float(threshold) else None
    if where != side:
        return "inconclusive" if where is None else "not supported"
    if claim["by"] == "t interval" and np.nanmax(values["values"]) == pytest.approx(np.nanmin(values["values"]), 1e-12):
        return "the same in every seed"
    return "supported"


def same(stored, found, rel=1e-6):
    stored = np.nan if stored is None else stored
    assert stored == pytest.approx(found, rel=rel, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: "-".join(path.parts[-4:-1]))
def test_the_verdicts_of_a_figure(path):
    for claim in json.loads(path.read_text())["claims"]:
        assert claim["verdict"] == recomputed(claim), claim["key"]


@pytest.mark.parametrize("paper", PAGES)
def test_the_page_of_a_paper_prints_the_stored_verdicts(paper):
    """Each claim once, with its verdict and the p that Holm's rule gives among the judged claims at its scale."""
    page = (GALLERY.parent / paper / "README.md").read_text()
    claims = pd.DataFrame(
        [
            {"scale": path.parent.name, "check": path.parts[-3] in CHECKS, **claim, "found": str(claim["found"])}
            for path in RECORDS
            if path.parts[-4] == paper
            for claim in json.loads(path.read_text())["claims"]
        ]
    ).drop_duplicates(["statement", "measure", "expected", "found", "scale"])
    rows = claim_rows(page)
    assert len(rows) == len(claims)
    printed = rows["verdict"].str.partition(":")[0].value_counts()
    assert printed.to_dict() == claims["verdict"].value_counts().to_dict()
    judged = claims[claims["verdict"].isin(["supported", "not supported", "inconclusive"]) & ~claims["check"]]
    for _, own in judged.groupby("scale"):
        p = own["p"].dropna().sort_values()
        holm = (p * np.arange(len(p), 0, -1)).cummax().clip(upper=1)
        for value in holm:
            digits = 3 if 0.045 <= value < 0.055 else 2
            assert (rows["Holm's p"] == ("< 0.0001" if value < 1e-4 else f"{value:.{digits}g}")).any()
    for scale, own in claims[~claims["check"]].groupby("scale"):
        (total,) = re.findall(rf"Scale {scale}, \d+ figures?: (.*)\.", page)
        counts = {word: int(n) for n, word in re.findall(r"(\d+) ([^,;]+)", total)}
        assert counts == own["verdict"].value_counts().to_dict()


def claim_rows(page):
    """The rows of all tables of claims; some have no columns of p."""
    found, head = [], None
    for line in page.splitlines():
        cells = line.removeprefix("| ").removesuffix(" |").split(" | ") if line.startswith("| ") else []
        if not cells or cells[0] == "claim":
            head = cells
        elif head and not cells[0].startswith("---"):
            found.append(dict(zip(head, cells, strict=True)))
    return pd.DataFrame(found, columns=["verdict", "Holm's p"])
