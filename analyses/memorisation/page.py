"""The report of the study of memorisation and BAT-style training."""

from __future__ import annotations

import pandas as pd

from analyses.core.claim_plot import forest
from analyses.core.claims import ClaimResult, verdict_table
from analyses.core.statistics import equivalence
from analyses.memorisation.dynamics import onset_table
from analyses.memorisation.effects import Accuracies, summary
from analyses.memorisation.estimators import ENOUGH_FOR_PAIRS, worst_error
from analyses.memorisation.measure import PROTOCOL, whole
from analyses.memorisation.plots import (
    against_memorisation,
    controls,
    courses,
    finding_a,
    finding_b,
    gallery,
    histograms,
    onset_survival,
)
from analyses.memorisation.settings import ALPHA, BETA, MARGIN, World
from analyses.memorisation.study import Findings
from analyses.memorisation.world import WorldTables
from cotoolkit.pages import Report, Section


def report_of(findings: Findings) -> Report:
    """The findings as a report."""
    results = [result for part in findings.claims().values() for result in part]
    claims = verdict_table(results)
    images = {name: tables.images for name, tables in findings.worlds.items()}
    sections = [
        Section(
            "claims",
            "Claims",
            "A claim holds or fails when the whole 95 % interval lies on one side of its threshold, else it is "
            "undecided. Equivalence is two one-sided claims, so at the level 2.5 %. Single claims are not corrected "
            "for their number; holm_p is.",
            forest(results)[0],
            "Mean, interval, threshold and verdict of each claim",
            claims[["claim", "statement", "verdict", "mean", "low", "high", "expected", "holm_p", "seeds", "source"]],
        ),
        Section(
            "histograms",
            "How many images are memorised",
            "Memorisation is how much more often networks that saw an image are right on it than networks that did not "
            "(Feldman and Zhang), estimated at half the training set from complementary halves. Three kinds are kept "
            "apart: how the networks were trained, and whether right means clean or under a strong attack. The line is "
            "the threshold of atypical, 0.25. Below: mean standard error of the estimates of that size.",
            histograms(images)[0],
            "Histograms of memorisation by kind, and standard errors",
            _estimate_table(findings),
        ),
        Section(
            "against-memorisation",
            "Accuracy against memorisation",
            "Share of networks that are right on a training image, by its memorisation. Seen: it was among the images "
            "they trained on; unseen: it was not, as a test image.",
            against_memorisation(images)[0],
            "Lines of accuracy against memorisation, for images seen and unseen",
        ),
        Section(
            "proxies",
            "Proxies",
            "Cheap stand-ins, and how well they rank what they stand in for (Spearman, 95 % interval over images). "
            "None is memorisation. Inconsistency is one arm of the estimate: it is compared with an estimate from "
            "other models, and so is the variance.",
            table=pd.concat([tables.proxies for tables in findings.worlds.values()], ignore_index=True),
        ),
    ]
    for name, tables in findings.worlds.items():
        if findings.plan.world(name).seeds:
            sections += _world_sections(findings.plan.world(name), tables)
    sections += _dynamics_sections(findings)
    data = {"measures_accuracies": _joined(findings, "accuracies"), "course": findings.course, "claims_table": claims}
    data |= {f"images_{name}": table for name, table in images.items()}
    return Report(
        "Memorisation and BAT-style adversarial training", _lead(findings, results), sections, _facts(findings), data
    )


def _world_sections(world: World, tables: WorldTables) -> list[Section]:
    names = {"linked": "linked test images", "unlinked": "other atypical ones", "typical": "typical test images"}
    if not world.planted:
        names = {"atypical": "hard test images", "typical": "easy test images"}
    group = "threatened" if world.planted else "typical"
    accuracies, title = tables.accuracies, world.name
    arms = [arm for arm in accuracies["arm"].unique() if arm != "all" and not arm.startswith("without")]
    retrained = accuracies[accuracies["arm"].str.startswith("without") | (accuracies["arm"] == "all")]
    typical = ["all", "typical", "atypical", *(["threatened", "linked"] if world.planted else [])]
    methods = accuracies[(accuracies["arm"] == "all") | accuracies["arm"].isin(arms)]
    methods = methods[methods["kind"] == "adversarial"]
    data = whole(world.config("adversarial", {})).train
    counts = tables.removed.groupby("arm", sort=False)["images"].agg(["min", "max"])
    removed = "; ".join(f"{row.Index} {row.min}-{row.max}" for row in counts.itertuples())
    return [
        Section(
            f"finding-a-{title}",
            f"Finding (a): what memorising atypical images is good for ({title})",
            "Accuracy lost by adversarial training without half of the atypical images, and without as many typical "
            f"ones; the grey band is the equivalence margin of {100 * MARGIN:g} point. {_linked(world)} Bars are seeds "
            f"(others of half the images each), lines 95 % intervals.",
            finding_a(accuracies, names)[0],
            "Accuracy lost by group of test images, with intervals",
            _equivalence_table(accuracies),
        ),
        Section(
            f"finding-b-{title}",
            f"Finding (b): who is harmed ({title}, {_named(world, group)})",
            "Accuracy after training without some images, less that without as many random atypical ones, by seed. "
            f"Flags are those of another seed's run. Images left out: {removed}.",
            finding_b(accuracies, group)[0],
            "Differences of accuracy by what is left out, with intervals",
            summary(retrained, typical, "without atypical"),
        ),
        Section(
            f"controls-{title}",
            f"BAT-style training and its controls ({title})",
            f"Strength {ALPHA:g}, from half of training on; discrimination loss of weight {BETA:g}. Permuted: the same "
            "weights at random in each batch; scaled: their mean for all; opposite: the unflagged weigh less; static: "
            "flags of another seed's finished run; oracle: the planted harmful images; dom: drops the well fitted "
            "(in the table alone). "
            "Weights cost nothing; the discrimination loss costs one forward and backward pass more.",
            controls(accuracies, arms)[0],
            "Differences of accuracy from plain training by method",
            summary(methods, typical, "all"),
        ),
        Section(
            f"flags-{title}",
            f"What flags mean ({title})",
            "By seed and threshold of memorisation: shares flagged halfway and at the end; enrichment P(atypical | "
            "flagged) / P(atypical); area under the curve of the wrong class's confidence halfway for memorisation; "
            "Jaccard overlap with the next seed's flags, and that of random sets. On planted data: shares of harmful, "
            "benign and common images that are flagged at the end.",
            gallery(data.images.numpy(), tables.suspects, tables.images, data.class_names)[0],
            "Flagged images with their labels and the classes they are taken for; atypical images that are not flagged",
            tables.flags,
        ),
        Section(
            f"noise-{title}",
            f"Planted label noise ({title})",
            "Flags against labels of which 5 % are wrong, halfway and at the end of training: part of what is called "
            "harmful may be mislabelled.",
            table=tables.noise,
        ),
    ]


def _dynamics_sections(findings: Findings) -> list[Section]:
    return [
        Section(
            "flag-dynamics",
            "Flags across the break of single-step training",
            f"{findings.plan.dynamics.why[0].upper()}{findings.plan.dynamics.why[1:]}. Share of a fixed probe of "
            "training images that is flagged under the training attack and under PGD-10, and how much stronger PGD-10 "
            "is. Lines are runs. If the first falls while the second rises, the weights switch themselves off.",
            courses(findings.course, findings.onsets)[0],
            "Flagged shares against iterations since the breakpoint by arm",
        ),
        Section(
            "onsets",
            "When training breaks",
            "A run that did not break counts as later than all that did. log_rank_p compares with the plain "
            "method. flagged_at_start: above a half, the weights came too early to mean anything.",
            onset_survival(findings.onsets)[0],
            "Share of training until the break by run and arm, and survival curves",
            onset_table(findings.onsets),
        ),
    ]


def _estimate_table(findings: Findings) -> pd.DataFrame:
    rows = []
    for name, tables in findings.worlds.items():
        world = findings.plan.world(name)
        for column in [c for c in tables.images.columns if c.startswith("mem_")]:
            kind = column.removeprefix("mem_")
            models = world.halves if kind.startswith("standard") else world.robust_halves
            values = tables.images[column]
            rows.append(
                {
                    "world": name,
                    "memorisation": kind,
                    "models": models,
                    "worst_error": worst_error(models, 0.5),
                    "mean_error": tables.images[f"se_{kind}"].mean(),
                    "mean": values.mean(),
                    **{f"above_{t:g}": (values > t).mean() for t in (0.15, 0.25, 0.5)},
                    "undefined": int(values.isna().sum()),
                    "single_pairs": "may be used" if models >= ENOUGH_FOR_PAIRS else "must not be used",
                }
            )
    return pd.DataFrame(rows)


def _equivalence_table(accuracies: pd.DataFrame) -> pd.DataFrame:
    read = Accuracies(accuracies)
    rows = []
    for group in ("linked", "unlinked", "typical"):
        for event in ("clean", "robust", "robust_small"):
            lost = read.less("adversarial", "all", "without atypical", group, event)
            if len(lost):
                rows.append(
                    {
                        "group": group,
                        "event": event,
                        "accuracy": read.of("adversarial", "all", group, event).mean(),
                        "lost": lost.mean(),
                        "equivalence_p": equivalence(lost, MARGIN),
                        "seeds": len(lost),
                    }
                )
    return pd.DataFrame(rows)


def _facts(findings: Findings) -> dict[str, str]:
    plan = findings.plan
    return {
        "scale": plan.scale,
        "worlds": "; ".join(f"{name}: {plan.world(name).why}" for name in findings.worlds),
        **({"left out": "; ".join(f"{n}: {why}" for n, why in findings.skipped.items())} if findings.skipped else {}),
        "robust accuracy": f"{PROTOCOL} at "
        + "; ".join(f"{n}: {', '.join(f'{r:.4g}' for r in plan.world(n).radii.values())}" for n in findings.worlds),
        "seeds": "; ".join(f"{name}: {plan.world(name).seeds}" for name in findings.worlds)
        + f"; runs that break: {plan.dynamics.seeds}",
        "reconstructed": "BAT-style: weights and loss of the believed shape, constants ours (docs/benign_at.md)",
        "measured on": "cpu",
        **findings.facts,
    }


def _joined(findings: Findings, field: str) -> pd.DataFrame:
    tables = [getattr(tables, field).assign(world=name) for name, tables in findings.worlds.items()]
    joined: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return joined


def _linked(world: World) -> str:
    if world.planted:
        return "Linked test images are of the very sub-clusters left out."
    return (
        "Which test images depend on which training images cannot be told from so few networks; hard test images (10 "
        "to 70 % of standard networks right) stand in, and cannot tell dependence from difficulty."
    )


def _named(world: World, group: str) -> str:
    return "threatened sub-clusters" if group == "threatened" else "typical" if world.planted else "easy test images"


def _lead(findings: Findings, results: list[ClaimResult]) -> str:
    """The answer in a few sentences, from the numbers alone."""
    by_key = {result.claim.key: result for result in results}

    def said(key: str) -> str:
        result = by_key.get(key)
        return "not measured" if result is None else f"{result.verdict} ({result.found})"

    main = next(iter(findings.worlds))
    return "\n\n".join(
        [
            f"{main}: {findings.plan.world(main).why}.",
            "Finding (a): without half of the atypical images clean accuracy on those they stand for falls: "
            f"{said('a_clean')}; robust accuracy is equivalent within a point: {said('a_robust_not_lost')} and "
            f"{said('a_robust_not_gained')}, with room to fall: {said('a_robust_has_room')}; at half the radius: "
            f"{said('a_robust_small_not_lost')}.",
            "Finding (b): without flagged images typical ones are more robust than without as many atypical ones: "
            f"{said('b_robust')}.",
            f"BAT-style (reconstructed) weights against plain training: {said('c_robust')}; against the same weights "
            f"at random: {said('c_permuted')}.",
            f"At the break of single-step training the flags vanish: {said('h_minus_switch_off')}; weights delay it: "
            f"{said('h_plus_delay')}.",
        ]
    )
