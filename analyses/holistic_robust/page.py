"""The report of the study of Holistic Robust training: the answer, then the evidence."""

from __future__ import annotations

import pandas as pd

from analyses.core.claim_plot import forest
from analyses.core.claims import ClaimResult, verdict_table
from analyses.holistic_robust.answers import outcome
from analyses.holistic_robust.certificate import CAVEAT, Certificate, by_size, certificate_radius, reported
from analyses.holistic_robust.gaps import CLIP, OTHER_CLIP
from analyses.holistic_robust.losses import PROTOCOL
from analyses.holistic_robust.plots import (
    bounds,
    gaps_by_share,
    overfitting_courses,
    poison_bars,
    survival,
    weights_around,
)
from analyses.holistic_robust.settings import PLAIN, hr_name
from analyses.holistic_robust.study import Findings, recorded
from analyses.holistic_robust.tables import DELTA, arm_table
from cotoolkit.pages import Report, Section

_JUDGED = (
    "Thresholds are ours. A claim holds or fails when the whole 95 % interval over seeds lies on one side of its "
    "threshold, else it is undecided; single claims are not corrected for their number, holm_p is. Sources: [P] the "
    "paper's abstract; [D] derived; [H] a hypothesis of ours."
)
_SHOWN = ["claim", "statement", "verdict", "measure", "mean", "low", "high", "expected", "holm_p", "seeds", "source"]


def report_of(findings: Findings) -> Report:
    """The findings as a report."""
    plan, results = findings.plan, findings.claims()
    claims = pd.concat([verdict_table(found).assign(part=part) for part, found in results.items()], ignore_index=True)
    arms = arm_table(findings.onsets, plan.onset)
    sections = [
        *_overfitting(findings),
        *_poison(findings),
        *_onset(findings, arms),
        *(
            Section(
                f"claims-{part.replace(' ', '-')}",
                f"Claims: {part}",
                _JUDGED,
                forest(found)[0],
                "Mean, interval, threshold and verdict of each claim",
                claims.loc[claims["part"] == part, _SHOWN],
            )
            for part, found in results.items()
        ),
    ]
    facts = {
        "scale": plan.scale,
        "robust losses": f"largest of FGSM and all iterates of {PROTOCOL}, eval mode, no augmentation",
        "images measured": f"{plan.points} of the training set and {plan.points} of the test set",
        "break": "the monitor's: PGD accuracy below half its best while FGSM accuracy is 20 points above it",
        "not done": "AutoAttack on the runs that did not break: their test accuracies are of PGD-50",
        **findings.facts,
    }
    data = {"claims": claims, "gaps": findings.gaps, "onsets": findings.onsets, "weights": findings.weights}
    return Report("Holistic Robust training", _lead(findings, results, arms), sections, facts, data)


def _overfitting(findings: Findings) -> list[Section]:
    plan = findings.plan.overfitting
    ends = findings.ends
    shown = ["arm", "seed", "G1", "G2", "G3", "G4", "G5", "G5_other", "n_G5", "G6", "G6_seen", "G7_train", "G7_test"]
    certificates = ["arm", "seed", "error_certificate", "error_held", "loss_certificate", "loss_held"]
    return [
        Section(
            "overfitting",
            "Robust overfitting over training",
            f"PGD training on shares of {plan.train_size} images, the same number of updates for all. Accuracy falls "
            "and the gap grows where training overfits. The implied radius is how far, in KL divergence, the law of "
            f"the losses must be moved to explain the loss on test data (clipped at {CLIP:g} nats, W = {CLIP:g}); it "
            "does not grow with the scale of the losses. Bands: 95 % over seeds.",
            overfitting_courses(findings.gaps, plan)[0],
            "Robust accuracies, robust gap and implied radius against iteration, by share of the data and radius",
        ),
        Section(
            "shares",
            "At the end of training, by share of the data",
            f"If the implied radius falls like 1/n, n times it is flat. G5_other clips at {OTHER_CLIP:g} instead of "
            f"{CLIP:g}. G6: worst case over the training losses with the training's r, less the test mean; G6_seen "
            f"with W the largest training loss. G8: two halves of the test images differ by less than 1.96 standard "
            f"deviations in {_by_chance(findings.gaps):.0%} of the networks.",
            gaps_by_share(ends, plan)[0],
            "Gaps, n times implied radius, best minus last and final robust accuracy against training images",
            ends[shown],
        ),
        Section(
            "bounds",
            "What bounds the loss on test data",
            "Nominal bounds come from the training losses and the training's r (of AT 0: its plain mean). The "
            f"certificates come from every second test image, with r = log((m + 1) / {DELTA:g}) / m, and are held "
            "against the others; each is for one fixed network. "
            f"Mind: {CAVEAT.format(attack=PROTOCOL)}.\n\n{_reported(findings)}",
            bounds(ends, plan)[0],
            "Differences between four bounds and the means they should bound, by arm",
            ends[certificates],
        ),
        Section(
            "sizes",
            "What a certificate costs",
            "For an observed error of 50 %, 0/1 loss, W = 1: the bound by number of held-out points.",
            table=by_size(),
        ),
        Section(
            "coverage",
            "Does the certificate cover?",
            "Simulated with losses whose law is known: how often the true mean exceeds the bound, against delta; and "
            "with the bare radius log(1 / delta) / m, which proves nothing.",
            table=findings.coverage,
        ),
    ]


def _by_chance(gaps: pd.DataFrame) -> float:
    """How many networks differ between halves of the test images no more than chance allows."""
    return float((gaps["G8"].abs() < 1.96 * gaps["G8_expected"]).mean())


def _reported(findings: Findings) -> str:
    """One network of the strongest HR arm, reported in full."""
    plan, ends = findings.plan.overfitting, findings.ends
    r = max(plan.radii)
    arm, seed = plan.name(min(plan.shares), r), plan.seeds[0]
    row = ends[(ends["arm"] == arm) & (ends["seed"] == seed)].iloc[0]
    points = int(row["certified_points"])
    found = Certificate(
        row["loss_certificate"], row["certified_mean"], certificate_radius(points, DELTA), points, DELTA
    )
    text = reported(
        found,
        loss=f"cross-entropy clipped at {CLIP:g} nats",
        threat=str(plan.config(arm, seed).threat),
        attack=f"FGSM and {PROTOCOL}",
        alpha=0.0,
        bound=CLIP,
        train_mean=row["train_robust"],
        nominal=row["G6"] + row["test_robust"],
        test_mean=row["test_robust"],
        training_r=r,
        training_points=int(row["train_points"]),
    )
    return f"{arm}, seed {seed}, as it has to be reported. {text}"


def _poison(findings: Findings) -> list[Section]:
    plan = findings.plan.poisoned
    if plan is None:
        return []
    return [
        Section(
            "poison",
            "Wrong labels",
            f"{plan.share:.0%} of the training labels are wrong, the same ones in every epoch. HR's alpha replaces the "
            "smallest losses by the worst one; trimming leaves the highest losses out. The weight on wrong labels is "
            "that of the arm's own r and alpha on its finished network (of the other arms: alpha alone, at the share "
            "of wrong labels).",
            poison_bars(findings.poison, plan)[0],
            "Robust and clean accuracy, memorised wrong labels, and weight on wrong labels, by arm",
            findings.poison,
        )
    ]


def _onset(findings: Findings, arms: pd.DataFrame) -> list[Section]:
    plan = findings.plan.onset
    matched = hr_name(*plan.matched)
    return [
        Section(
            "onset",
            "When single-step training breaks",
            f"Share of runs that have not broken (Kaplan-Meier; {len(plan.seeds)} seeds an arm; lines are moved apart "
            f"by less than a point where they coincide). All controls match {matched}. In the table, training that "
            f"does not break counts to its end in the mean onset; log_rank_p compares with {matched}. Not to break is "
            "no merit of the runs under not_robust, which never learned enough to lose it.",
            survival(findings.onsets, plan)[0],
            "Survival curves by arm",
            arms,
        ),
        Section(
            "weights",
            "Weights around the break",
            "Abnormal samples are those whose loss the attack lowered. HR takes weight from them where their weight is "
            "below their share. Bands: 95 % over the seeds that broke.",
            weights_around(findings.weights, recorded(plan))[0],
            "Share of abnormal samples, their weight and the effective sample size around the breakpoint",
        ),
    ]


def _lead(findings: Findings, results: dict[str, list[ClaimResult]], arms: pd.DataFrame) -> str:
    """The answer in a paragraph per part, from the numbers alone."""
    plan = findings.plan
    over = {result.claim.key: result for result in results["robust overfitting"]}
    few = f"{min(plan.overfitting.shares):.0%} of the data"
    strong = f"HR with r = {max(plan.overfitting.radii):g}"
    paragraphs = [
        f"Robust overfitting, {few}: adversarial training overfits more than standard training: "
        f"{_said(over['at_overfits_more'])}, and by the implied radius: {_said(over['at_overfits_more_in_radius'])}. "
        f"{strong} makes the gap smaller: {_said(over['hr_smaller_gap'])}, the implied radius: "
        f"{_said(over['hr_smaller_radius'])}, and the network more robust: {_said(over['hr_more_robust'])}. "
        f"Its loss on the training data bounds the test loss with W = 10: {_said(over['nominal_bound'])}; with W the "
        f"largest training loss it fails to: {_said(over['seen_bound_fails'])}."
    ]
    if plan.poisoned is not None:
        poison = {result.claim.key: result for result in results["poison"]}
        paragraphs.append(
            f"Poison: alpha makes training on {plan.poisoned.share:.0%} wrong labels more robust: "
            f"{_said(poison['alpha_resists_poison'])}; it gives them more weight than their share: "
            f"{_said(poison['alpha_weighs_poison_up'])}; trimming does better: "
            f"{_said(poison['trimming_resists_better'])}."
        )
    found = results["catastrophic overfitting"]
    by_key = {result.claim.key: result for result in found}
    shown = [PLAIN, hr_name(*plan.onset.matched), "permuted", "norm_matched"]
    numbers = ", ".join(
        f"{'FGSM' if row['arm'] == PLAIN else str(row['arm']).replace('_', ' ')} {row['broke']} of {row['runs']} runs "
        f"break (mean onset {row['onset']:.0f})"
        for row in arms[arms["arm"].isin(shown)].to_dict("records")
    )
    paragraphs.append(
        f"Catastrophic overfitting: what HR ({hr_name(*plan.onset.matched)[3:]}) does to the break, in the words fixed "
        f"before: {outcome(found)}. {numbers}. It breaks later than FGSM: {_said(by_key['delays_plain'])}, than with "
        f"the same weights permuted: {_said(by_key['delays_permuted'])}, than with as long a step: "
        f"{_said(by_key['delays_norm_matched'])}; a control that is undecided is not beaten."
    )
    return "\n\n".join(paragraphs)


def _said(result: ClaimResult) -> str:
    return f"{result.verdict} ({result.found})" if result.found.n else "not measured"
