"""The page of a diagnosis: the verdict, what speaks for and against it, and the evidence with a picture each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cotoolkit.core.files import write_atomically
from cotoolkit.core.numbers import format_number
from cotoolkit.diagnosis.page import accuracy_figures, landscape_figures
from cotoolkit.diagnosis.page.way_sections import change_sections, points_section, way_section
from cotoolkit.diagnosis.points import points_table
from cotoolkit.diagnosis.schema import Diagnosis, Evidence
from cotoolkit.diagnosis.thresholds import FALLING
from cotoolkit.pages import Report, Section, write_report
from cotoolkit.runs.tables.table_files import write_table

ON_SIGNALS = (
    "Means over the points that say anything. Most have no published threshold; compare them between networks. Steps "
    "for every class are nearly blind at 8/255: at a breakpoint there their source saw 54 % of the classes rise, where "
    "50 % is nothing, and 82 % at 16/255."
)

BOXES = {
    "box_then_eps": "clipped to that range",
    "eps_then_box": "clipped to the ball, then to that range",
    "none": "not clipped to that range",
}

PLAIN = {*landscape_figures.COSINES, "step_collinearity", "linearisation_error", "spread of repeated outputs"}
"""Evidence that is cosines and ratios; all other is shares or differences of shares, shown in per cent."""


def write_diagnosis(diagnosis: Diagnosis, folder: Path | str) -> Path:
    """Write diagnosis.json, diagnosis.points.parquet, the figures (PNG and SVG), the tables and report.html.

    Args:
        diagnosis: to write.
        folder: made if it is not there; files of an earlier diagnosis are replaced.

    Returns:
        Path of the page.
    """
    folder = Path(folder)
    page = write_report(diagnosis_report(diagnosis), folder)
    write_table(points_table(diagnosis.points), folder / "diagnosis.points.parquet")
    write_atomically(folder / "diagnosis.json", diagnosis.to_json().encode())
    return page


def diagnosis_report(diagnosis: Diagnosis) -> Report:
    """The page."""
    verdict = diagnosis.verdict
    lead = (
        f"Verdict: {verdict.label}. {verdict.meaning}\n\n"
        f"Confidence: {verdict.confidence}. {verdict.reason}\n\n"
        f"What to do: {verdict.advice}\n\n"
        f"Observations for it: {len(verdict.speaks_for)}; against it: {len(verdict.speaks_against)}."
    )
    findings = [Section(
        "findings", "Met on the way", "What was found about the weights, the model and the data, and what was done.",
        table=pd.DataFrame([{"kind": one.kind, "finding": one.text} for one in diagnosis.findings]),
    )] if diagnosis.findings else []  # fmt: skip
    sections = [
        _evidence(diagnosis), *findings, *change_sections(diagnosis), *_accuracy(diagnosis), way_section(diagnosis),
        *_landscape(diagnosis), *_checks(diagnosis), points_section(diagnosis),
    ]  # fmt: skip
    title = f"Diagnosis of {diagnosis.environment.model}: {verdict.label}"
    return Report(title, lead, sections, _facts(diagnosis))


def _evidence(diagnosis: Diagnosis) -> Section:
    verdict = diagnosis.verdict
    rows = [
        *(_row("for", one) for one in verdict.speaks_for),
        *(_row("against", one) for one in verdict.speaks_against),
        *(_row(_other(one), one) for one in verdict.evidence if verdict.label not in (*one.supports, *one.against)),
    ]
    text = (
        f"What speaks for the verdict, {verdict.label}, then what speaks against it, then what concerns others alone. "
        "Attacks are named kind-STEPS, and PGD from several starts pgd-STEPS-STARTS; a square-100 makes 100 queries."
    )
    return Section("evidence", "What speaks for it and against it", text, table=pd.DataFrame(rows))


def _other(one: Evidence) -> str:
    """What an observation speaks for or against that the verdict is not about."""
    if one.supports:
        return f"for {' or '.join(one.supports)}"
    return f"against {' or '.join(one.against)}" if one.against else "for nothing"


def _row(side: str, one: Evidence) -> dict[str, object]:
    text = ("{:.3g}" if one.signal in PLAIN else "{:.1%}").format
    interval = "" if one.low is None or one.high is None else f"{text(one.low)} to {text(one.high)}"
    threshold = one.source if one.threshold is None else f"{text(one.threshold)} ({one.source})"
    return {
        "speaks": side,
        "what was seen": one.sentence,
        "signal": one.signal,
        "value": text(one.value),
        "95 % interval": interval,
        "threshold and its source": threshold,
    }


def _accuracy(diagnosis: Diagnosis) -> list[Section]:
    return [
        Section(
            "attacks",
            "Accuracy under every attack",
            "A row per attack at epsilon: the mark is the share of points still right, the bar its 95 % interval. "
            "Rows that begin with 'then' attack what all above leave, and show what is left after that. A robust "
            "network keeps all rows right of the dotted line; catastrophic overfitting keeps FGSM's alone.",
            accuracy_figures.attacks_figure(diagnosis)[0],
            "Accuracy with interval for clean points, FGSM, PGD, its checks and all together",
        ),
        Section(
            "radius",
            "As the radius grows",
            "Both lines should fall from left to right. An FGSM line that rises, or stays up where PGD's is down, "
            "means that the single step is misled.",
            accuracy_figures.radius_figure(diagnosis)[0],
            "Accuracy against radius for FGSM and PGD",
        ),
        Section(
            "steps",
            "As the steps grow",
            "Diamonds are another PGD each, scored at its last iterate; crosses are one PGD that goes on until it "
            "finds hardly anything new, and count every step. Both should fall a little and level off. A plunge after "
            "the first steps is what one step does not see; a line that falls to its end belongs to an attack that "
            f"has not converged.{_course(diagnosis)}",
            accuracy_figures.steps_figure(diagnosis)[0],
            "Accuracy against the number of PGD steps",
        ),
    ]


def _course(diagnosis: Diagnosis) -> str:
    run = diagnosis.measurements.convergence
    says = "converged" if run.converged else "did not converge"
    return f" This one {says} within {run.steps[-1]} steps, the second half of which took {run.falling.percent}."


def _landscape(diagnosis: Diagnosis) -> list[Section]:
    found = diagnosis.measurements
    between, fooling = found.segment, found.segment.smallest_fooling_fraction
    rates = "" if between.boundary_distortion is None else (
        f" Boundary distortion: {between.boundary_distortion.value:.0%} of the "
        f"{between.boundary_distortion.points} points with both ends right are wrong between."
    )  # fmt: skip
    rates += "" if fooling is None else f" Smallest fooling fraction (of thirds): {fooling.value:.2f} on average."
    signals = pd.DataFrame([
        {
            "signal": one.name,
            "mean": None if one.mean is None else one.mean.value,
            "95 % interval": "" if one.mean is None else f"{one.mean.low:.3g} to {one.mean.high:.3g}",
            "median": None if one.mean is None else one.mean.median,
            "points": 0 if one.mean is None else one.mean.points,
            "at a breakpoint": one.at_break or "not known",
            "source": one.source,
        }
        for one in found.signals
    ])  # fmt: skip
    return [
        Section(
            "segment",
            "Between the image and its FGSM example",
            "The loss should rise and accuracy fall all the way. A valley of accuracy before 1, or a loss that "
            f"falls, is what the single step steps over.{rates}",
            landscape_figures.segment_figure(diagnosis)[0],
            "Accuracy and loss along the FGSM perturbation",
        ),
        Section(
            "surface",
            "The loss around the images",
            f"Medians over {found.surface.points} images. Evenly spaced contours across the FGSM direction mean a loss "
            "that one step can climb; ridges and closed contours between the marks mean that it cannot.",
            landscape_figures.surface_figure(diagnosis)[0],
            "Loss and accuracy on the plane of the FGSM perturbation and random signs",
        ),
        Section(
            "cosines",
            "Do gradients agree?",
            "Near 1 the loss is locally linear, and one step is as good as many; near 0 a gradient says nothing about "
            "the loss a little further.",
            landscape_figures.cosines_figure(diagnosis)[0],
            "Mean cosines of gradients and perturbations",
        ),
        Section(
            "signals",
            "All signals",
            ON_SIGNALS,
            table=signals,
        ),
        Section(
            "spectrum",
            "Perturbations by frequency",
            "Shares of energy from coarse (left) to fine patterns (right). Where the lines differ, FGSM and PGD look "
            "for different patterns.",
            landscape_figures.spectrum_figure(diagnosis)[0],
            "Energy by DCT shell of FGSM and PGD perturbations, and of random signs",
        ),
    ]


def _checks(diagnosis: Diagnosis) -> list[Section]:
    found, masking = diagnosis.measurements, diagnosis.measurements.masking
    zero, nan = ("" if one is None else f"{one.value:.1%}" for one in (masking.zero_gradients, masking.nan_gradients))
    checks = pd.DataFrame([
        {"check": "correct points with a gradient of exactly zero", "found": zero, "sound": "none"},
        {"check": "correct points with nan in their gradient", "found": nan, "sound": "none"},
        {"check": "largest change of repeated outputs", "found": f"{masking.logit_spread:.2g}", "sound": "0"},
        {"check": "function of the outputs that attacks follow", "found": diagnosis.protocol.link, "sound": "identity"},
        {"check": "outputs that are not finite", "found": f"{masking.broken_outputs:.1%}", "sound": "none"},
        {"check": "accuracy under PGD without a radius",
         "found": f"{found.unbounded.accuracy.value:.1%}", "sound": "near 0%"},
        {"check": "points that fell in the second half of PGD's steps",
         "found": f"{found.convergence.falling.value:.1%}", "sound": f"at most {FALLING:.0%}"},
        {"check": "points that fell in the later half of the targeted attack",
         "found": f"{found.late.value:.1%}", "sound": f"at most {FALLING:.0%}"},
        {"check": "FGSM beside the best attack over all radii (optimality)",
         "found": _number(found.optimality.fgsm), "sound": "near 1; near 0 or below after a breakpoint"},
        {"check": "PGD beside the best attack over all radii (optimality)",
         "found": _number(found.optimality.pgd), "sound": "near 1"},
        {"check": "largest rise of accuracy as PGD takes more steps",
         "found": f"{100 * found.step_rise.rise:.1f} points", "sound": "none beyond chance"},
    ])  # fmt: skip
    classes = pd.DataFrame([
        {"class": row.label, "points": row.points, "clean": row.clean.value, "FGSM": row.fgsm.value,
         "PGD": row.pgd.value, "PGD, 95 % interval": f"{row.pgd.low:.1%} to {row.pgd.high:.1%}"}
        for row in found.per_class
    ])  # fmt: skip
    return [
        Section(
            "duels",
            "Does PGD miss anything?",
            "Points that one attack fools and the other does not. Bars to the right should be short: these attacks do "
            "not follow the same gradient, so what they alone find, PGD was kept from finding.",
            accuracy_figures.duels_figure(diagnosis)[0],
            "Points that only PGD, or only another attack, fools",
        ),
        Section("checks", "Can the gradients be trusted?", "What the outputs and gradients look like.", table=checks),
        Section(
            "classes",
            "Class by class",
            "The three marks of a class should lie close together; a class far below the others is the weakest point.",
            accuracy_figures.classes_figure(diagnosis)[0],
            "Clean, FGSM and PGD accuracy of every class",
            classes,
            percent=("clean", "FGSM", "PGD"),
        ),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _facts(diagnosis: Diagnosis) -> dict[str, str]:
    protocol, where = diagnosis.protocol, diagnosis.environment
    budget, cards = protocol.budget, protocol.cards
    hashes = "; ".join(sorted(f"{_card_name(card)}: {key}" for key, card in cards.items()))
    low, high = protocol.bounds
    return {
        "Threat": f"linf, epsilon {format_number(protocol.epsilon)} of the pixel range {low:g} to {high:g}, "
        + BOXES[protocol.box],
        "Data": f"{where.data}: {protocol.points} points, {protocol.few} of them for the strong attacks; "
        f"images {' x '.join(str(side) for side in protocol.shape)}, {diagnosis.measurements.classes} classes",
        "Budget": f"{budget.name}: PGD-{budget.steps} on all points; on the few PGD-{budget.strong_steps} with "
        f"{budget.restarts} starts, {budget.margin_steps} steps on the margin, {budget.smoothed_steps} smoothed ones, "
        f"{budget.queries} Square queries; on what they leave {budget.target_steps} steps towards each of "
        f"{budget.targets} classes",
        "Robust means": f"the lower end of the interval under all attacks is at least {diagnosis.verdict.floor:.1%}",
        "Model": f"{where.model}, {where.parameters:,} parameters, in evaluation mode",
        "Passes": f"{where.forward_passes:,} images forward, {where.backward_passes:,} gradients back, "
        f"in {where.seconds:.0f} s",
        "Seed": str(protocol.seed),
        "Device": where.device,
        "Versions": ", ".join(f"{name} {value}" for name, value in where.versions.items()),
        "Schema": f"diagnosis.json, version {diagnosis.schema_version}",
        "Protocol cards": hashes,
    }


def _card_name(card: dict[str, object]) -> str:
    attack = card.get("attack")
    if isinstance(attack, str):
        return attack
    protocol, threat = card["protocol"], card["threat"]
    assert isinstance(protocol, dict)
    assert isinstance(threat, dict)
    if not protocol["steps"]:
        return "clean"
    one_step = protocol["steps"] == 1 and not protocol["random_start"]
    kind = "fgsm" if one_step else f"pgd-{protocol['steps']}-{protocol['restarts']}"
    last = ", last iterate" if protocol["last_only"] and not one_step else ""
    return f"{kind} at {format_number(float(threat['epsilon']))}{last}"
