"""The study from beginning to end: two rounds of training, the measures, the answers and their page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analyses.across_break.answers import answers
from analyses.across_break.arms import AFTER, BEFORE, Plan, breaks_of, kept_iterations
from analyses.across_break.lookup import Lookup
from analyses.across_break.measure import Unit, measure_all
from analyses.across_break.plots import by_layer, courses, grafts
from analyses.across_break.tables import change_table, layer_table
from analyses.claim_plot import forest
from analyses.claims import ClaimResult, claim_table
from analyses.statistics import estimate
from cotoolkit.choices import Device
from cotoolkit.errors import ConfigError, RunError
from cotoolkit.launch import Outcome, Update
from cotoolkit.report import Report, Section
from cotoolkit.runs import RunFolder
from cotoolkit.study import Study, default_jobs
from cotoolkit.table import COLLAPSED

ROBUST = frozenset({"robust", "robust overfitting", "recovered"})
NOT_DIVERGED = ROBUST | {"not robust", COLLAPSED}
NOT_COLLAPSED = ROBUST | {"not robust"}


class Findings(NamedTuple):
    """What the study found.

    Attributes:
        plan: what was asked.
        breaks: breakpoints of the first round, one row per world and seed, and why a seed is left out, if it is.
        measures: what `measure_all` returns.
        facts: versions and device of the runs.
    """

    plan: Plan
    breaks: pd.DataFrame
    measures: pd.DataFrame
    facts: dict[str, str]

    @property
    def worlds(self) -> list[str]:
        """The worlds in which at least one FGSM run broke."""
        return [world.name for world in self.plan.worlds if world.name in set(self.measures["world"])]

    def claims(self) -> dict[str, list[ClaimResult]]:
        """The claims of every world."""
        return {world: answers(self.measures, world) for world in self.worlds}


class Watch(NamedTuple):
    """Who is told what happens.

    Attributes:
        on_study: called with each round before it is trained.
        on_update: called with the progress of any run.
        on_outcome: called as runs end.
        on_unit: called as worlds and seeds have been measured, with how many of how many.
    """

    on_study: Callable[[Study], None] = lambda study: None
    on_update: Callable[[Update], None] = lambda update: None
    on_outcome: Callable[[Outcome], None] = lambda outcome: None
    on_unit: Callable[[Unit, int, int], None] = lambda unit, done, total: None


def run_across_break(
    plan: Plan,
    root: Path | str,
    folder: Path,
    *,
    jobs: int | None = None,
    device: Device = "auto",
    fresh: bool = False,
    watch: Watch | None = None,
) -> Findings:
    """Train, find the breaks, train again with kept iterations, measure. What is done already is not done again.

    Args:
        plan: what to do.
        root: folder of runs.
        folder: where the measures go.
        jobs: processes at a time; None means one per core, and one on a GPU.
        device: of the training; the measures run on the CPU.
        fresh: measure all again; the runs stay.
        watch: whom to tell.

    Raises:
        ConfigError: no FGSM run broke.
        RunError: a run of the second round failed.
    """
    watch = watch or Watch()

    def train(study: Study) -> pd.DataFrame:
        watch.on_study(study)
        return study.run(root, jobs=jobs, device=device, on_update=watch.on_update, on_outcome=watch.on_outcome)

    breaks = breaks_of(plan, train(plan.first_round()))
    second = train(plan.second_round(breaks))
    failed = second[second["state"] == "failed"]
    if len(failed):
        raise RunError(f"{len(failed)} runs of the second round failed: {', '.join(failed['run'])}")
    breaks["left_out"] = [why_left_out(plan, root, row) for row in breaks.to_dict("records")]
    broken = breaks[breaks["left_out"] == ""]
    if broken.empty:
        raise ConfigError(f"no seed can be used: {'; '.join(breaks['left_out'].unique())}")
    units = [
        Unit(row["world"], int(row["seed"]), int(row["breakpoint"]), int(row["iterations"]))
        for row in broken.to_dict("records")
    ]
    measures = measure_all(
        plan, units, root, folder, jobs=jobs or default_jobs("cpu"), fresh=fresh, report=watch.on_unit
    )
    environment = RunFolder(Path(root) / str(second["run"].iloc[0])).environment()
    return Findings(plan, breaks, measures, {name: str(value) for name, value in environment.items()})


def why_left_out(plan: Plan, root: Path | str, row: Mapping[Any, Any]) -> str:
    """Why a seed cannot be used, in words; nothing if it can.

    A seed needs a break, and the networks that the measures refer to: the standard one trained to the end, the PGD one
    robust, and an N-FGSM one, the control, that did not collapse.

    Args:
        plan: the study.
        root: folder of runs.
        row: of the table of breaks.
    """
    if pd.isna(row["breakpoint"]):
        return f"FGSM did not break ({row['verdict']})"
    keep = kept_iterations(int(row["breakpoint"]), int(row["iterations"]))
    for arm, needed in (("standard", NOT_DIVERGED), ("n_fgsm", NOT_COLLAPSED), ("pgd", ROBUST)):
        verdict = RunFolder.of(root, plan.config(row["world"], arm, row["seed"], keep)).result()["verdict"]
        if verdict not in needed:
            return f"{arm} ended as {verdict}"
    return ""


def report_of(findings: Findings) -> Report:
    """The findings as a report."""
    worlds, measures = findings.worlds, findings.measures
    results = findings.claims()
    claims = pd.concat([claim_table(found).assign(world=world) for world, found in results.items()], ignore_index=True)
    changes = pd.concat([change_table(measures, world).assign(world=world) for world in worlds], ignore_index=True)
    layers = pd.concat([layer_table(measures, world).assign(world=world) for world in worlds], ignore_index=True)
    sections = [
        Section(
            "courses",
            "Around the break",
            "All networks start from the same weights and see the same batches in the same order. The horizontal axis "
            "counts iterations from the first one at which FGSM training is broken; the other arms are shown at the "
            "same iterations. Bands are 95 % intervals over seeds. Dense share and atoms are counted against the "
            "finished PGD network of the same start; clean u₁ is the common direction of the finished standard one.",
            courses(measures, worlds)[0],
            "Line plots of six statistics against iterations since the breakpoint, by training method",
        ),
        *(
            Section(
                f"claims-{world}",
                f"Claims: {world}",
                f"{findings.plan.world(world).why}. Thresholds are ours. A claim holds or fails when the whole 95 % "
                "interval over seeds lies on one side of its threshold, else it is undecided.",
                forest(found)[0],
                "Mean, interval, threshold and verdict of each claim",
                claims[claims["world"] == world][
                    ["claim", "statement", "verdict", "measure", "mean", "low", "high", "expected", "seeds"]
                ],
            )
            for world, found in results.items()
        ),
        Section(
            "layers",
            "Which layers",
            f"Excess is the change of FGSM from iteration {BEFORE:+d} to {AFTER:+d} around the break, less "
            "that of N-FGSM over the same batches. On the right: how much of the collapse follows when one layer's "
            "weights are moved across the break and nothing else.",
            by_layer(layers, worlds)[0],
            "Excess change by layer with intervals",
            layers,
        ),
        Section(
            "grafts",
            "What of the change is enough",
            "The network before the break, with the best low-rank part of each layer's change across the break put "
            "in; dotted: a change of the same size and spectrum in random directions.",
            grafts(measures, worlds)[0],
            "Accuracy against the rank of the grafted change",
        ),
        Section(
            "changes",
            "All changes across the break",
            "Mean and 95 % interval over seeds; p from a t test on the excess, Holm-adjusted over the statistics.",
            table=changes,
        ),
        Section(
            "breaks",
            "Breakpoints",
            "Of FGSM training, by seed; the last column says why a seed is left out above.",
            table=findings.breaks,
        ),
    ]
    facts = {
        "scale": findings.plan.scale,
        "seeds": "; ".join(f"{w.name}: {', '.join(map(str, w.seeds))}" for w in findings.plan.worlds),
        "compared": f"iterations {BEFORE:+d} and {AFTER:+d} around the breakpoint",
        "accuracies": "named protocols of cotoolkit.evaluate on the test set",
        **findings.facts,
    }
    return Report(
        "Weight mixtures across the breakpoint",
        _lead(findings, results),
        sections,
        facts,
        {"measures": measures, "claims": claims},
    )


def _lead(findings: Findings, results: dict[str, list[ClaimResult]]) -> str:
    """The answer in a paragraph per world, from the numbers alone."""
    paragraphs = []
    for world, found in results.items():
        by_key = {result.claim.key: result for result in found}
        look = Lookup(findings.measures, world)
        before, after = (estimate(look.at("fgsm", offset, "accuracy", "pgd-10")) for offset in (BEFORE, AFTER))
        paragraphs.append(
            f"In the {world} world ({before.n} seeds) FGSM's PGD-10 accuracy goes from {before} to {after} across the "
            f"break. Less mixture than standard training before it: {_said(by_key['falls_dense_lineage'])}. "
            f"Mixture comes back at the break: {_said(by_key['returns_dense_lineage'])}; more than by a random change "
            f"as large: {_said(by_key['more_than_chance_dense_lineage'])}. A change of rank 4 in each layer is enough "
            f"for half of the collapse: {_said(by_key['low_rank'])}. The gradient moves to high frequencies: "
            f"{_said(by_key['high_frequencies'])}; to the carriers: {_said(by_key['carrier_in_gradients'])}."
        )
    return "\n\n".join(paragraphs)


def _said(result: ClaimResult) -> str:
    return f"{result.verdict} ({result.found})"
