"""The report of the study across the breakpoint: the answer, then the evidence."""

from __future__ import annotations

import pandas as pd

from analyses.breakpoint_mixtures.arms import AFTER, BEFORE
from analyses.breakpoint_mixtures.lookup import Lookup
from analyses.breakpoint_mixtures.plots import by_layer, courses, grafts
from analyses.breakpoint_mixtures.study import Findings
from analyses.breakpoint_mixtures.tables import change_table, layer_table
from analyses.core.claim_plot import forest
from analyses.core.claims import ClaimResult, verdict_table
from analyses.core.statistics import estimate
from cotoolkit.pages import Report, Section


def report_of(findings: Findings) -> Report:
    """The findings as a report."""
    worlds, measures = findings.worlds, findings.measures
    results = findings.claims()
    claims = pd.concat(
        [verdict_table(found).assign(world=world) for world, found in results.items()], ignore_index=True
    )
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
                f"{_sentence(findings.plan.world(world).why)} Thresholds are ours. A claim holds or fails when "
                "the whole 95 % interval over seeds lies on one side of its threshold, else it is undecided; single "
                "claims are not corrected for their number, holm_p is (test against the threshold).",
                forest(found)[0],
                "Mean, interval, threshold and verdict of each claim",
                claims[claims["world"] == world][
                    ["claim", "statement", "verdict", "measure", "mean", "low", "high", "expected", "holm_p", "seeds"]
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
        "seeds used": "; ".join(f"{world}: {', '.join(map(str, Lookup(measures, world).seeds))}" for world in worlds),
        "compared": f"iterations {BEFORE:+d} and {AFTER:+d} around the breakpoint",
        "accuracies": "named protocols of cotoolkit.evaluation.protocol on the test set",
        "measured on": "cpu",
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
        injected = findings.plan.world(world).settings.get("intervention")
        placebo = "" if injected else " (none was injected: a placebo)"
        lines = [
            f"{world.capitalize()} world, seeds {before.n}: FGSM's PGD-10 accuracy goes from {before} to {after}.",
            "Before it FGSM is closer to the finished PGD network than standard training: "
            f"{_said(by_key['falls_dense_lineage'])}.",
            f"Mixture comes back at the break: {_said(by_key['returns_dense_lineage'])}; more than by a random change "
            f"as large: {_said(by_key['more_than_chance_dense_lineage'])}.",
            f"A change of rank 4 in each layer is enough for half of the collapse: {_said(by_key['low_rank'])}; and "
            f"makes FGSM accuracy jump: {_said(by_key['signature'])}.",
            f"The gradient moves to high frequencies: {_said(by_key['high_frequencies'])}; to the carriers"
            f"{placebo}: {_said(by_key['carrier_in_gradients'])}.",
        ]
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def _said(result: ClaimResult) -> str:
    return f"{result.verdict} ({result.found})" if result.found.n else "not measured"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
