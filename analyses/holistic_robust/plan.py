"""Who trains in the study of Holistic Robust (HR) training, at which scale.

Three groups, a question each: robust overfitting over shares of the data, wrong labels, and the breakpoint of
single-step training. Every setting is ours: of the paper's experiments no number could be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from analyses.core.plan import ArmGroup, ConfigData, Plan, with_smoke
from cotoolkit.studies.scale import DIGITS_SEEDS

PLAIN = "AT"
"""Plain adversarial training; in the group of the breakpoint that is plain FGSM."""

WRONG_LABELS = 0.25
"""Share of wrong labels in the group "poison"; the HR arm with this alpha has the right one."""

CONTROLS = ("permuted", "norm_matched", "small_batch", "inverse", "oracle", "drop", "exponential", "cvar")
"""What HR weights are read against (`HolisticControl.weights`), which are also the names of their arms."""

PGD: ConfigData = {"name": "pgd", "steps": 3}
"""The inner attack where nothing breaks."""


class HolisticPlan(Plan):
    """The study at one scale, with the groups "overfitting", "onset" and "poison", or some of them.

    Attributes:
        matched: (r, alpha) of the HR arm that the controls of the group "onset" match.
        points: training and test images that the losses are measured on, each; at most 512.
    """

    matched: tuple[float, float] = (0.2, 0.0)
    points: int = 300

    def part(self, group: str) -> Self:
        """The plan of one group, under a name of its own."""
        return self.model_copy(update={"name": f"{self.name}-{group}", "groups": {group: self.groups[group]}})


def hr_name(r: float, alpha: float) -> str:
    """Of an arm with HR weights."""
    if r == alpha == 0:
        return PLAIN
    parts = [f"r={r:g}"] * (r > 0) + [f"α={alpha:g}"] * (alpha > 0)
    return f"HR {', '.join(parts)}"


def name_on_share(share: float, r: float | None) -> str:
    """Of an arm that trains on a share of the data; r None is standard training."""
    return f"{'standard' if r is None else hr_name(r, 0)}, {share:.0%}"


def looked_at(iterations: int, looks: int) -> tuple[int, ...]:
    """Iterations whose weights are kept and measured, evenly over training; the last one is among them."""
    return tuple(round(iterations * look / looks) for look in range(1, looks + 1))


def overfitting_arms(
    iterations: int, batches: int, shares: Sequence[float], radii: Sequence[float], inner: ConfigData = PGD
) -> dict[str, ConfigData]:
    """Standard training, and HR by radius, on shares of the training data, all with as many updates.

    Args:
        iterations: updates.
        batches: in an epoch of all training data; the shares must be whole numbers of batches.
        shares: of the training data.
        radii: KL radii r of HR; 0 is plain adversarial training.
        inner: the attack.

    Returns:
        What each arm puts over the settings.
    """
    arms: dict[str, ConfigData] = {}
    for share in shares:
        epochs = iterations // round(batches * share)
        own: ConfigData = {
            "epochs": epochs,
            "schedule": {"kind": "multistep", "milestones": (0.5,), "epsilon_warmup": epochs / 5},
        }
        if share < 1:
            own["data.subset"] = {"number": 0, "share": share}
        arms[name_on_share(share, None)] = {**own, "method": {"name": "standard"}}
        for r in radii:
            method = {"name": "holistic_robust", "r": r, "inner": inner}
            arms[name_on_share(share, r)] = {**own, "method": method}
    return arms


def poison_arms(alphas: Sequence[float], r: float = 0.1, inner: ConfigData = PGD) -> dict[str, ConfigData]:
    """Training with wrong labels: HR by share alpha, HR by radius, and the opposite of alpha, trimming.

    Args:
        alphas: of HR with r = 0, and of trimming where above 0.
        r: radius of a further HR arm with alpha = 0.
        inner: the attack.

    Returns:
        What each arm puts over the settings.
    """
    holistic: ConfigData = {"name": "holistic_robust", "inner": inner}
    trim: ConfigData = {"name": "hr_control", "weights": "trim", "inner": inner}
    methods = {hr_name(0, alpha): {**holistic, "r": 0.0, "alpha": alpha} for alpha in alphas}
    methods |= {hr_name(r, 0): {**holistic, "r": r}}
    methods |= {f"trim {alpha:g}": {**trim, "alpha": alpha} for alpha in alphas if alpha}
    poison = {"name": "poison", "share": WRONG_LABELS}
    return {name: {"method": method, "intervention": poison} for name, method in methods.items()}


def onset_arms(
    laws: Sequence[tuple[float, float]], matched: tuple[float, float], controls: Sequence[str]
) -> dict[str, ConfigData]:
    """FGSM training with HR weights, and with their controls.

    Args:
        laws: (r, alpha) of the HR arms; (0, 0) is plain FGSM.
        matched: (r, alpha) that the controls match.
        controls: some of `CONTROLS`.

    Returns:
        What each arm puts over the settings.
    """
    inner = {"name": "fgsm"}
    own: dict[str, ConfigData] = {"drop": {"alpha": 0.05}, "oracle": {"oracle": {"name": "pgd", "steps": 5}}}
    arms: dict[str, ConfigData] = {
        hr_name(r, alpha): {"method": {"name": "holistic_robust", "inner": inner, "r": r, "alpha": alpha}}
        for r, alpha in laws
    }
    for name in controls:
        control = {"name": "hr_control", "inner": inner, "r": matched[0], "alpha": matched[1], "weights": name}
        arms[name] = {"method": {**control, **own.get(name, {})}}
    return arms


_QUESTION = "Does HR reduce robust overfitting, resist wrong labels, delay the break of single-step training?"

_DIGITS: ConfigData = {
    "data": {"name": "digits"},
    "box": "none",
    "learning_rate": 0.1,
    "evaluation": ("clean", "fgsm", "pgd-50"),
}

_SMALL_DIGITS: ConfigData = {
    **_DIGITS,
    "data": {"name": "digits", "train_size": 600},
    "model": {"name": "small_cnn", "width": 16},
    "epsilon": 0.15,
    "batch_size": 50,
    "weight_decay": 0.0,
    "monitor": {"interval": 100},
}

_FASHION: ConfigData = {
    "box": "none",
    "model": {"name": "small_cnn", "width": 8},
    "weight_decay": 0.0,
    "learning_rate": 0.05,
    "evaluation": ("clean", "fgsm", "pgd-50"),
}

PLANS = with_smoke(
    digits=HolisticPlan(
        name="holistic",
        question=_QUESTION,
        scale="digits",
        groups={
            "overfitting": ArmGroup(
                why="few images and no weight decay, so that PGD training overfits",
                settings={**_SMALL_DIGITS, "keep": looked_at(600, 10)},
                seeds=DIGITS_SEEDS,
                arms=overfitting_arms(600, 12, shares=(0.25, 0.5, 1.0), radii=(0.0, 0.05, 0.2)),
            ),
            "onset": ArmGroup(
                why="an injected feature breaks FGSM at a radius that is safe without it (induced)",
                settings={
                    **_DIGITS,
                    "model": {"name": "small_cnn"},
                    "epsilon": 0.25,
                    "epochs": 24,
                    "batch_size": 64,
                    "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
                    "intervention": {"name": "inject", "carrier": "paired", "beta": 0.15},
                    "monitor": {"interval": 40},
                },
                seeds=DIGITS_SEEDS,
                arms=onset_arms(((0, 0), (0.05, 0), (0.1, 0), (0.2, 0), (0, 0.05), (0.1, 0.05)), (0.2, 0.0), CONTROLS),
            ),
            "poison": ArmGroup(
                why=f"{WRONG_LABELS:.0%} of the training labels are wrong, the same ones in every epoch",
                settings={
                    **_SMALL_DIGITS,
                    "epochs": 40,
                    "schedule": {"kind": "multistep", "milestones": (0.5,), "epsilon_warmup": 8},
                },
                seeds=DIGITS_SEEDS,
                arms=poison_arms((0.0, 0.05, WRONG_LABELS)),
            ),
        },
    ),
    laptop=HolisticPlan(
        name="holistic",
        question=_QUESTION,
        scale="laptop",
        groups={
            "overfitting": ArmGroup(
                why="few images and no weight decay, so that PGD training overfits",
                settings={
                    **_FASHION,
                    "data": {"name": "fashion_mnist", "test_size": 600, "train_size": 400},
                    "epsilon": 0.1,
                    "batch_size": 50,
                    "monitor": {"interval": 200},
                    "keep": looked_at(240, 4),
                },
                seeds=(0, 1, 2),
                arms=overfitting_arms(240, 8, shares=(0.25, 1.0), radii=(0.0, 0.2)),
            ),
            "onset": ArmGroup(
                why="the radius is high enough to break FGSM on the data as they are (natural)",
                settings={
                    **_FASHION,
                    "data": {"name": "fashion_mnist", "train_size": 2500, "test_size": 600},
                    "box": "box_then_eps",  # without the box FGSM is never robust here, and no breakpoint can be dated
                    "weight_decay": 5e-4,
                    "epsilon": 0.2,
                    "epochs": 8,
                    "batch_size": 64,
                    "schedule": {"kind": "cyclic", "peak": 0.5},
                    "monitor": {"interval": 40},
                },
                seeds=(0, 1, 2),
                # At r = 0.2 a pilot of seed 0 did not become robust at all.
                arms=onset_arms(((0, 0), (0.1, 0)), (0.1, 0.0), CONTROLS[:4]),
            ),
        },
        matched=(0.1, 0.0),
        points=100,
    ),
)
"""By scale; at laptop no poison."""
