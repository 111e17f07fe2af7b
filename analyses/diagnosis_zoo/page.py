"""The report of the zoo: aims, verdicts against the truth, accuracies against AutoAttack, every network."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analyses.diagnosis_zoo.plan import ZOO
from analyses.diagnosis_zoo.plots import accuracies
from analyses.diagnosis_zoo.records import BUDGETS, Examined
from analyses.diagnosis_zoo.scoring import ORDER, WITHIN, Aim, aims, confusion, made_budgets, scores
from cotoolkit.core.numbers import format_number
from cotoolkit.evaluation.intervals import exact_bounds
from cotoolkit.pages import Report, Section


def zoo_report(zoo: Sequence[Examined]) -> Report:
    """The findings as a report.

    Args:
        zoo: the networks with what is known of them.

    Returns:
        The page.
    """
    table = scores(zoo)
    found = aims(table)
    sections = [
        Section("aims", "What was aimed at", AIMS_TEXT, table=aim_table(found)),
        *(_confusion_section(table, budget) for budget in made_budgets(table)),
        *(_accuracy_section(table, budget) for budget in made_budgets(table)),
    ]
    return Report("How good is the diagnosis?", lead_of(zoo, found), sections, facts_of(zoo), {"scores": table})


AIMS_TEXT = (
    "Failures, of all networks, with the exact 95 % interval of their share. A verdict is wrong if it is neither the "
    "truth, nor true besides (a masked network that AutoAttack fools is not robust, either), nor one that AutoAttack "
    "on these points cannot tell from the truth. Inconclusive is never wrong, and counted apart."
)


def lead_of(zoo: Sequence[Examined], found: Sequence[Aim]) -> str:
    """The answer, with what failed.

    Args:
        zoo: the networks.
        found: of the aims.

    Returns:
        Two paragraphs.
    """
    made = {budget: sum(budget in one.diagnoses for one in zoo) for budget in BUDGETS}
    counts = ", ".join(f"{count} at {budget}" for budget, count in made.items())
    left = "" if min(made.values()) == len(ZOO) else " The rest is not scored yet: what is reached is said of these."
    missed = [aim for aim in found if not aim.reached]
    reached = f"{len(found) - len(missed)} of {len(found)} aims are reached"
    failures = "; ".join(f"{aim.what}: {aim.hits} of {aim.of} ({', '.join(aim.which)})" for aim in missed)
    answer = f"Of {len(ZOO)} networks whose truth AutoAttack tells were diagnosed: {counts}. {reached}.{left}"
    return f"{answer}\n\nNot reached: {failures}." if missed else answer


def overrating(table: pd.DataFrame) -> str:
    """By how much plain PGD overrates the networks that published logs would have it overrate.

    Args:
        table: of `scores`.

    Returns:
        A sentence.
    """
    rows = table[table["kind"] == "overrated"]
    most = 100 * float((rows["pgd"] - rows["autoattack"]).max())
    return (
        "SSAT and ELLE stand in the zoo because PGD-50 read far too much after their collapse in published logs. Here "
        f"the strongest PGD reads at most {most:.1f} points more than AutoAttack on them, so that case is not shown."
    )


def aim_table(found: Sequence[Aim]) -> pd.DataFrame:
    """Aims as rows.

    Args:
        found: the aims.

    Returns:
        Columns: what fails, failures, networks, their share's interval, the aim, and whether it is reached.
    """
    return pd.DataFrame([
        {
            "failure": aim.what,
            "failures": aim.hits,
            "networks": aim.of,
            "95 % interval": f"{aim.low:.1%} to {aim.high:.1%}",
            "aim": "none" if aim.most == 0 else f"at most {aim.most:.0%}",
            "reached": "yes" if aim.reached else "no",
            "which": ", ".join(aim.which),
        }
        for aim in found
    ])  # fmt: skip


def confusion_table(table: pd.DataFrame, budget: str) -> pd.DataFrame:
    """Verdicts against the truth, with the share that is right.

    Args:
        table: of `scores`.
        budget: its name.

    Returns:
        A row per truth.
    """
    rows = table[table["budget"] == budget]
    counts = confusion(rows)
    right = rows.groupby("truth")["right"].agg(["sum", "count"]).loc[counts.index]
    shown = counts.reset_index().rename(columns={"truth": "truth (down), verdict (across)"})
    intervals = [exact_bounds(int(hits), int(of), 0.025) for hits, of in right.to_numpy()]
    shown["right or inconclusive"] = [
        f"{hits} of {of} ({low:.0%} to {high:.0%})"
        for (hits, of), (low, high) in zip(right.to_numpy(), intervals, strict=True)
    ]
    return shown


def network_table(table: pd.DataFrame, budget: str) -> pd.DataFrame:
    """Every network at a budget.

    Args:
        table: of `scores`.
        budget: its name.

    Returns:
        A row per network; accuracies in percent of the points that the strong attacks saw.
    """
    rows = table[table["budget"] == budget]
    percent = {name: (100 * rows[name]).round(1) for name in ("clean", "fgsm", "pgd", "ours", "autoattack", "off")}
    return pd.DataFrame({
        "network": rows["network"],
        "kind": rows["kind"],
        "truth": rows["truth"],
        "verdict": rows["verdict"],
        "confidence": rows["confidence"],
        "right": rows["right"].map({True: "yes", False: "no"}),
        "clean %": percent["clean"],
        "FGSM %": percent["fgsm"],
        "PGD %": percent["pgd"],
        "all attacks %": percent["ours"],
        "AutoAttack %": percent["autoattack"],
        "off": percent["off"],
        "points": rows["points"],
    })  # fmt: skip


def facts_of(zoo: Sequence[Examined]) -> dict[str, str]:
    """Protocol, seeds, versions.

    Args:
        zoo: the networks.

    Returns:
        Texts by name.
    """
    card, said = zoo[0].truth.card, next(iter(zoo[0].diagnoses.values()))
    radii = sorted({one.truth.epsilon for one in zoo})
    made = {budget: [one.diagnoses[budget] for one in zoo if budget in one.diagnoses] for budget in BUDGETS}
    return {
        "scale": "smoke and laptop: small networks on digits, Fashion-MNIST and CIFAR-10, trained for seconds",
        "truth": f"{card['attack']} ({card['package']}); {card['attacked']}",
        "truth of random networks": card["random networks"],
        "threat": f"linf, at the radius of training or the plan's: {', '.join(map(format_number, radii))}",
        "networks": ", ".join(f"{len(records)} of {len(ZOO)} at {budget}" for budget, records in made.items()),
        "points": ", ".join(
            f"{budget}: {len(records[0].places)} for the strong attacks" for budget, records in made.items() if records
        ),
        "seeds": f"{said.seed}, of training, truth and diagnosis",
        "intervals": "95 %: exact (Clopper-Pearson) for shares of networks, Wilson for shares of points",
        **{name: str(value) for name, value in said.environment.items()},
    }


def _confusion_section(table: pd.DataFrame, budget: str) -> Section:
    return Section(
        f"confusion-{budget}",
        f"Verdicts against the truth, {budget}",
        "Networks. On the diagonal the verdict is the truth; beside it, it may be accepted all the same.",
        table=confusion_table(table, budget),
    )


def _accuracy_section(table: pd.DataFrame, budget: str) -> Section:
    rows = table[table["budget"] == budget]
    labels = ", ".join(ORDER)
    return Section(
        f"networks-{budget}",
        f"Every network, {budget}",
        f"The circle should lie on the black tick, within {100 * WITHIN[budget]:g} points; the diamond shows what PGD "
        f"alone would have said. Beside stand verdict and confidence ({labels}). In the table, off is all "
        "attacks minus AutoAttack on the same points; below 0, the diagnosis found what AutoAttack did not.",
        accuracies(rows)[0],
        "Accuracy of every network under FGSM, PGD, all attacks of the diagnosis, and AutoAttack",
        network_table(table, budget),
    )
