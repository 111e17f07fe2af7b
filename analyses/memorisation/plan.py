"""Who trains in the study of memorisation, at which scale: halves of training sets, whole ones, and a break."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from typing_extensions import override

from analyses.core.plan import ArmGroup, ConfigData, Plan, evenly, every, with_smoke
from cotoolkit.config import RunConfig
from cotoolkit.data.sources.planted import RADIUS
from cotoolkit.studies.overrides import apply
from cotoolkit.studies.scale import DIGITS_SEEDS

Kind = Literal["standard", "adversarial"]
"""How a network was trained. Memorisation of the two kinds is kept apart throughout."""

ALPHA, BETA = 4.0, 0.1
"""Strength of the BAT-style weights and of the discrimination loss in the controls; of the values in the spec [R]. At
0.2 one of five networks did not train on planted data: its training loss stayed at that of guessing."""

START = 0.5
"""Share of training before which weights are 1 [R]."""

LOOKS = 10
"""Checkpoints of a standard run on the whole set, equally far apart, that stand-ins for memorisation are taken from."""

NOISE = 0.05
"""Share of planted label noise [R]."""

FEWEST_HALVES = 8
"""Networks on halves at scale smoke, which shows that the estimates run and no more."""

BREAKING = "breaking"
"""The group of single-step training that breaks, with and without weights; its arm without weights is "plain"."""


class HalvesGroup(ArmGroup):
    """Networks trained on random halves of the training set, numbered by their seeds; 2 k and 2 k + 1 are one cut."""

    @override
    def config(self, arm: str, seed: int, keep: Sequence[int] | None = None) -> RunConfig:
        kept = {} if keep is None else {"keep": tuple(keep)}
        own = {**self.arms[arm], "data.subset.number": seed, "seed": seed}
        return RunConfig.parse(apply(self.settings, {**own, **kept}))

    @override
    def at_smoke(self) -> Self:
        """The same with as few cuts as an estimate can be made of."""
        return self.model_copy(update={"seeds": self.seeds[:FEWEST_HALVES]})


class MemorisationPlan(Plan):
    """The study at one scale.

    A setting called NAME has a group "NAME standard", trained on the whole set, and "NAME halves". "NAME robust halves"
    are adversarially trained. Where there is "NAME adversarial", the study also trains without groups of images, which
    are known when the halves have been looked at.

    Attributes:
        radii: what robust accuracy is measured at, by setting and by name; the first is the setting's own radius. The
            first setting is the one that claims without a setting's name are about.
        points: training images on which flags are followed through the break.
        breaks_without: the setting whose atypical images one more arm of `BREAKING` does without; None for no such arm.
    """

    radii: dict[str, dict[str, float]]
    points: int = 512
    breaks_without: str | None = None

    def part(self, seeds: Mapping[str, int]) -> Self:
        """Some of its groups, with that many of their seeds."""
        groups = {
            name: self.groups[name].model_copy(update={"seeds": self.groups[name].seeds[:count]})
            for name, count in seeds.items()
        }
        radii = {setting: own for setting, own in self.radii.items() if f"{setting} standard" in groups}
        without = self.breaks_without if self.breaks_without in radii and BREAKING in groups else None
        return self.model_copy(update={"groups": groups, "radii": radii, "breaks_without": without})

    def seeds(self, setting: str) -> tuple[int, ...]:
        """Seeds of adversarial training on the whole set; none where memorisation alone is asked for."""
        group = self.groups.get(f"{setting} adversarial")
        return () if group is None else group.seeds

    def planted(self, setting: str) -> bool:
        """Whether it is known which images are atypical, and which of them harm."""
        return str(self.groups[f"{setting} standard"].settings["data"]["name"]) == "planted"


def weighted(**fields: Any) -> dict[str, Any]:
    """A BAT-style method as configuration data."""
    return {"name": "benign", "alpha": ALPHA, "start": START, **fields}


def _controls(inner: ConfigData) -> dict[str, ConfigData]:
    """BAT-style training and its controls on the whole set; the plain method is the reference."""
    methods: ConfigData = {
        "weights": weighted(inner=inner),
        "permuted": weighted(inner=inner, weights="permuted"),
        "scaled": weighted(inner=inner, weights="scaled"),
        "opposite": weighted(inner=inner, weights="opposite"),
        "discrimination": {"name": "benign", "inner": inner, "alpha": 0, "beta": BETA},
        "weights + discrimination": weighted(inner=inner, beta=BETA),
        "dom": {"name": "dom", "inner": inner},
    }
    return {arm: {"method": method} for arm, method in methods.items()}


def setting_groups(
    name: str,
    why: str,
    settings: ConfigData,
    *,
    images: int,
    standard: ConfigData,
    adversarial: ConfigData,
    halves: int,
    robust_halves: int = 0,
    seeds: int = 0,
) -> dict[str, ArmGroup]:
    """The groups of a setting whose runs are known beforehand.

    Args:
        name: short, for tables.
        why: what it can show, for people.
        settings: what all runs share; the data have a fixed split, so that all runs share one training set.
        images: of that training set.
        standard: settings of standard training.
        adversarial: of adversarial training, its method among them.
        halves: networks trained on random halves, two complementary ones from each cut.
        robust_halves: of adversarially trained ones.
        seeds: of the runs on the whole set and on what is left of it; 0 for memorisation alone.

    Returns:
        Groups by name; `MemorisationPlan` explains the names.
    """
    plain = {"evaluation": ["clean"], **settings, **standard, "method": "standard"}
    robust = {"evaluation": ["clean"], **settings, **adversarial}
    half: dict[str, ConfigData] = {"half": {}}
    groups = {
        f"{name} halves": HalvesGroup(why=why, settings=plain, seeds=tuple(range(halves)), arms=half),
        f"{name} standard": ArmGroup(
            settings=plain, seeds=tuple(range(max(seeds, 1))), arms={"all": {"keep": evenly(plain, images, LOOKS)}}
        ),
    }
    if robust_halves:
        groups[f"{name} robust halves"] = HalvesGroup(settings=robust, seeds=tuple(range(robust_halves)), arms=half)
    if seeds:
        keep = evenly(robust, images, 2)
        noise = {"intervention": {"name": "label_noise", "rate": NOISE}, "keep": keep}
        arms = {"all": {"keep": keep}, "noise": noise, **_controls(robust["method"])}
        groups[f"{name} adversarial"] = ArmGroup(settings=robust, seeds=tuple(range(seeds)), arms=arms)
    return groups


def _breaking(start: float, arms: Sequence[str], keep: Sequence[int]) -> dict[str, ConfigData]:
    """FGSM training without weights, with them from `start` of training on, and with their controls."""
    kinds = {"weights": "online", "permuted": "permuted", "scaled": "scaled", "opposite": "opposite"}
    methods: dict[str, ConfigData] = {"plain": {"name": "fgsm"}}
    methods |= {arm: weighted(start=start, weights=kinds[arm]) for arm in arms}
    return {arm: {"method": method, "keep": list(keep)} for arm, method in methods.items()}


_QUESTION = "What do memorised atypical images buy, whom do they harm, and does BAT-style training help?"

_PLANTED: ConfigData = {
    "data": {"name": "planted", "holdout": 0, "split": 0},
    "model": {"name": "mlp", "hidden": [128, 128]},
    "batch_size": 100,
    "learning_rate": 0.2,
    "weight_decay": 0,
    "monitor": {"interval": 0, "points": 200},
}

_SMALL: ConfigData = {
    "model": {"name": "mlp", "hidden": [128]},  # fits its training set, which memorisation needs, in seconds
    "batch_size": 64,
    "learning_rate": 0.1,
    "weight_decay": 0,
    "monitor": {"interval": 0, "points": 128},
}

_FIRST = "analyses.memorisation.cifar100_subset:cifar100_first"

_CIFAR100: ConfigData = {
    "data": {"name": _FIRST, "holdout": 0, "split": 0, "augment": "none"},
    "normalise": "none",
    "model": {"name": "single_layer_cnn", "width": 16},  # fits half of these images to the last one in 20 epochs
    "optimizer": "adam",
    "learning_rate": 0.003,
    "weight_decay": 0,
    "batch_size": 128,
    "monitor": {"interval": 0, "points": 128},
}

_FASHION, _PGD = {"name": "fashion_mnist", "holdout": 500, "split": 0}, {"name": "pgd", "steps": 2}

_INDUCED: ConfigData = {
    "data": {"name": "digits", "split": 0},
    "model": "small_cnn",
    "epsilon": 0.25,
    "box": "none",
    "epochs": 24,
    "batch_size": 64,
    "learning_rate": 0.1,
    "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
    "intervention": {"name": "inject", "carrier": "paired", "beta": 0.15},
    "evaluation": ["clean", "fgsm", "pgd-10"],
}

_NATURAL: ConfigData = {
    "data": {**_FASHION, "train_size": 3000, "test_size": 1000},
    "model": {"name": "small_cnn", "width": 8},
    "epsilon": 0.2,
    "epochs": 8,
    "batch_size": 64,
    "learning_rate": 0.05,
    "evaluation": ["clean", "fgsm", "pgd-10"],
}

PLANS = with_smoke(
    digits=MemorisationPlan(
        name="memorisation",
        question=_QUESTION,
        scale="digits",
        groups={
            **setting_groups(
                "planted",
                "synthetic images whose rare sub-clusters and harm are known: existence proofs, not evidence about "
                "photographs",
                _PLANTED,
                images=2000, standard={"epochs": 30},
                # At the radius itself training gives harmful images up and nothing is harmed; at 3/4 of it their balls
                # just touch.
                adversarial={"method": _PGD, "epochs": 40, "epsilon": 0.75 * RADIUS},
                halves=64, robust_halves=32, seeds=len(DIGITS_SEEDS),
            ),
            **setting_groups(
                "digits",
                "real images, but an easy set with a short tail: memorisation alone is estimated",
                {"data": {"name": "digits", "split": 0}, **_SMALL},
                images=1293, standard={"epochs": 30},
                adversarial={"method": _PGD, "epochs": 30, "epsilon": 0.1},
                halves=32,
            ),
            BREAKING: ArmGroup(
                why="an injected feature induces the break of FGSM training on digits",
                settings=_INDUCED,
                seeds=DIGITS_SEEDS,
                # Earlier more than half of the images are flagged; later some runs have broken.
                arms=_breaking(0.4, ("weights", "permuted", "scaled", "opposite"), every(_INDUCED, 1293, 16)),
            ),
        },
        radii={
            "planted": {"robust": RADIUS, "robust_small": RADIUS / 2},
            "digits": {"robust": 0.1, "robust_small": 0.05},
        },
        breaks_without="digits",
    ),
    laptop=MemorisationPlan(
        name="memorisation",
        question=_QUESTION,
        scale="laptop",
        groups={
            **setting_groups(
                "fashion_mnist",
                "real images, ten broad classes: the tail is short, and part of it is mislabelled, so that a null "
                "result on atypical images says little about sets with many classes",
                {"data": {**_FASHION, "train_size": 1500, "test_size": 2000}, **_SMALL},
                images=1500, standard={"epochs": 60},
                adversarial={"method": _PGD, "epochs": 40, "epsilon": 0.1},
                halves=32, robust_halves=16, seeds=3,
            ),
            **setting_groups(
                "cifar100",
                "the data set of the paper, 100 training images of each class: fewer than it has make more of them "
                "atypical",
                _CIFAR100,
                images=10000, standard={"epochs": 20},
                adversarial={"method": _PGD, "epochs": 30, "epsilon": "4/255"},
                halves=40, robust_halves=40,
            ),
            BREAKING: ArmGroup(
                why="FGSM training on Fashion-MNIST at a large radius breaks by itself",
                settings=_NATURAL,
                seeds=(0, 1, 2),
                arms=_breaking(0.25, ("weights", "permuted", "scaled"), every(_NATURAL, 3000, 32)),
            ),
        },
        radii={
            "fashion_mnist": {"robust": 0.1, "robust_small": 0.05},
            "cifar100": {"robust": 4 / 255, "robust_small": 2 / 255},
        },
        points=256,
    ),
)  # fmt: skip
"""By scale."""
