"""Other adversarial training on the data that break FGSM: PGD, N-FGSM with two sizes of noise, GradAlign.

That they prevent the collapse is recollected (P5, P6). GradAlign's published law for its weight ends at 16/255, so on
digits, whose radii are larger, the two weights are ours.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.studies.scale import Scale
from figures.co_features.cells import Cell, cell_table, few_betas, lines, study_of
from figures.co_features.world import WORLDS, World, world_of
from figures.elements import band, dots, names_below, percent, sheet
from figures.recipe import Recipe
from figures.style import BLUE, GREEN, MARKERS, ORANGE, PAGE, PURPLE, SKY, VERMILION

WEIGHTS = (0.2, 1.0)
"""Of GradAlign."""

LOOKS = {
    "fgsm": ("FGSM", VERMILION, "-"),
    "n_fgsm k=1": ("N-FGSM, k = 1", SKY, ":"),
    "n_fgsm k=2": ("N-FGSM, k = 2", GREEN, "-."),
    f"gradalign {WEIGHTS[0]:g}": (f"GradAlign, {WEIGHTS[0]:g}", ORANGE, ""),
    f"gradalign {WEIGHTS[1]:g}": (f"GradAlign, {WEIGHTS[1]:g}", PURPLE, ""),
    "pgd": ("PGD", BLUE, "--"),
}
"""Arms: how they are written, their colour, their line; no line where one strength alone was trained."""


def _cells(world: World) -> list[Cell]:
    """GradAlign, the dearest, has the world's strength alone; FGSM has those that it shares with Figure 1."""
    found = [
        Cell({"arm": "fgsm", "beta": beta, "epsilon": world.epsilon}, world.arm(beta))
        for beta in few_betas(world, 0, 2 / 3, 1, 5 / 3)
    ]
    for beta in (0.0, world.beta):
        methods = {
            "pgd": world.pgd,
            **{f"n_fgsm k={k}": {"name": "n_fgsm", "k": float(k)} for k in (1, 2)},
        }
        if beta == world.beta:
            methods |= {f"gradalign {weight:g}": {"name": "gradalign", "weight": weight} for weight in WEIGHTS}
        for name, method in methods.items():
            label: dict[str, str | float] = {"arm": name, "beta": beta, "epsilon": world.epsilon}
            found.append(Cell(label, world.arm(beta, method=method)))
    return found


STUDIES = {scale: (study_of(w, "methods", _cells(w)),) for scale, w in WORLDS.items()}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm, strength and seed."""
    world = WORLDS[scale]
    return cell_table(runner, world, STUDIES[scale][0], _cells(world))


def draw(data: pd.DataFrame) -> Figure:
    """Robust and clean accuracy against the strength; on the right all arms where FGSM breaks."""
    figure, (robust, clean, inside) = sheet(PAGE, 2.6, 1, 3, sharey=True)
    shown = data.assign(strength=data["beta"] / data["epsilon"])
    beta = world_of(data).beta
    for index, (arm, (name, colour, line)) in enumerate(LOOKS.items()):
        rows = shown[shown["arm"] == arm]
        if line:
            look = {"colour": colour, "line": line, "marker": MARKERS[index], "label": name}
            band(robust, rows, "strength", "robust", **look)
            band(clean, rows, "strength", "clean", **look)
        values = rows.loc[rows["beta"] == beta, "robust"].tolist()
        dots(inside, index, values, colour, marker=MARKERS[index])
    for axis, measure in ((robust, "robust"), (clean, "clean")):
        axis.set(title=f"{measure} accuracy", xlabel="strength of the feature, β / ε", ylim=(-0.03, 1.03))
    clean.legend(loc="lower left")
    percent(robust, "accuracy")
    names_below(inside, [name for name, *_ in LOOKS.values()], turned=True)
    inside.set(title=f"robust accuracy, β / ε = {beta / data['epsilon'].iloc[0]:.2g}")
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """P5 and P6, paired by seed."""
    world = world_of(data)
    robust = lines(data, "arm")
    at = f"robust accuracy at ε {world.epsilon:g}, β {world.beta:g}"
    inside = {arm: robust[arm][world.beta] for arm in LOOKS}
    light, heavy = (f"gradalign {weight:g}" for weight in WEIGHTS)
    p5, p6 = (f"ours: hypothesis, recollected [M], {key}" for key in ("P5", "P6"))
    return [
        check(
            Claim(
                "P5", "PGD training does not collapse on the data that break FGSM", f"{at}: PGD less FGSM",
                "above", 0.2, 0.0, p5,
            ),
            inside["pgd"] - inside["fgsm"],
        ),
        check(
            Claim(
                "pgd_keeps", "the feature costs PGD training little of its robustness",
                f"robust accuracy of PGD training at ε {world.epsilon:g}: β 0 less β {world.beta:g}", "below", 0.2, 0.0,
                p5,
            ),
            robust["pgd"][0.0] - inside["pgd"],
        ),
        check(
            Claim(
                "P6_n_fgsm", "N-FGSM with k = 2 prevents the collapse", f"{at}: N-FGSM less FGSM",
                "above", 0.2, 0.0, p6,
            ),
            inside["n_fgsm k=2"] - inside["fgsm"],
        ),
        check(
            Claim(
                "P6_k", "more noise in N-FGSM helps more", f"{at}: k = 2 less k = 1", "above", 0.0, 0.0, p6,
            ),
            inside["n_fgsm k=2"] - inside["n_fgsm k=1"],
        ),
        check(
            Claim(
                "P6_gradalign", f"GradAlign with the weight {WEIGHTS[1]:g} prevents the collapse",
                f"{at}: GradAlign less FGSM", "above", 0.2, 0.0, p6,
            ),
            inside[heavy] - inside["fgsm"],
        ),
        check(
            Claim(
                "P6_weight", "a larger weight of GradAlign helps more",
                f"{at}: weight {WEIGHTS[1]:g} less weight {WEIGHTS[0]:g}", "above", 0.0, 0.0, p6,
            ),
            inside[heavy] - inside[light],
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="co_features/methods",
    shows="PGD, N-FGSM and GradAlign on the data that break FGSM training",
    item="Other adversarial training methods (recollected, P5 and P6)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
