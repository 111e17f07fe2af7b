"""What the recipes of this paper train on, by scale: data, network, schedule, and where the feature breaks FGSM.

Recipes that ask for the same point name the same run, so that it is trained once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict

from cotoolkit.config import RunConfig
from cotoolkit.core.numbers import format_number
from cotoolkit.studies.overrides import Grid, apply
from cotoolkit.studies.scale import DIGITS_SEEDS, Scale
from cotoolkit.studies.study import Study

Settings = dict[str, Any]
"""Configuration data by dotted field name."""


class Setup(BaseModel):
    """The setting of all recipes at one scale.

    Attributes:
        scale: what its numbers may be taken for.
        base: configuration data that all runs share.
        epsilon: radius at which FGSM training is robust on the data as they are; at scale laptop it is not.
        beta: strength of the feature that breaks FGSM training at that radius; at scale laptop one that does not.
        epsilons: radii of Figure 1.
        betas: strengths of Figure 1.
        seeds: of most figures.
        more_seeds: of the two open questions.
        keep: iterations whose weights are kept in the runs at `epsilon` with beta 0 and `beta`.
        pgd: PGD training, as configuration data.
        accuracy: protocol of the robust accuracies, a name in the run's evaluation.
        test_images: that all accuracies are measured on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Scale
    base: dict[str, Any]
    epsilon: float
    beta: float
    epsilons: tuple[float, ...]
    betas: tuple[float, ...]
    seeds: tuple[int, ...]
    more_seeds: tuple[int, ...]
    keep: tuple[int, ...]
    pgd: Settings
    accuracy: str
    test_images: int

    @property
    def radius(self) -> str:
        """Epsilon as people write it."""
        return format_number(self.epsilon)

    @property
    def strength(self) -> str:
        """Beta as people write it."""
        return format_number(self.beta)

    @property
    def robust_accuracy(self) -> str:
        """The robust accuracy in words: attack, steps (and restarts), and points."""
        return f"{self.accuracy.upper()} accuracy on {self.test_images} test images"

    @property
    def attacked(self) -> str:
        """The robust accuracy as pictures name it."""
        return f"accuracy under {self.accuracy.upper()}"

    def at_smoke(self) -> Self:
        """The same for a quick look, with its first seed alone."""
        return self.model_copy(update={"scale": "smoke", "seeds": self.seeds[:1], "more_seeds": self.more_seeds[:1]})

    def arm(
        self,
        beta: float | None = None,
        *,
        method: str | Mapping[str, Any] = "fgsm",
        epsilon: float | None = None,
        **settings: Any,
    ) -> Settings:
        """Settings of a run over the base.

        Args:
            beta: strength of the injection; None is the setup's, 0 the data as they are.
            method: how it trains.
            epsilon: radius; None is the setup's.
            **settings: further fields, such as box or intervention.

        Returns:
            The settings; two of the arms keep weights, see `keep`.
        """
        chosen = dict(method) if isinstance(method, Mapping) else {"name": method}
        found: Settings = {
            "method": chosen,
            "epsilon": self.epsilon if epsilon is None else epsilon,
            "intervention": inject(self.beta if beta is None else beta),
            **settings,
        }
        kept = chosen in ({"name": "fgsm"}, self.pgd) and found["epsilon"] == self.epsilon and not settings
        if kept and found["intervention"]["beta"] in (0.0, self.beta):
            found["keep"] = self.keep
        return found

    def study(self, name: str, arms: Iterable[Settings], seeds: Iterable[int] | None = None) -> Study:
        """Runs of some arms with each seed (by default `seeds`).

        Args:
            name: of the study.
            arms: settings as `arm` gives them.
            seeds: of each arm; None means `seeds`.

        Returns:
            The study.
        """
        chosen = self.seeds if seeds is None else tuple(seeds)
        grids: list[Grid] = [{**{field: (value,) for field, value in arm.items()}, "seed": chosen} for arm in arms]
        return Study(name=name, scale=self.scale, base=self.base, grids=tuple(grids))

    def config(self, arm: Settings, seed: int) -> RunConfig:
        """One run of an arm.

        Args:
            arm: settings as `arm` gives them.
            seed: of the run.

        Returns:
            Its configuration.
        """
        return RunConfig.parse(apply(self.base, {**arm, "seed": seed}))


def inject(beta: float, **fields: Any) -> Settings:
    """The paper's injection as configuration data; beta 0 leaves the images as they are."""
    return {"name": "inject", "carrier": "paired", "beta": beta, **fields}


_DIGITS = Setup(
    scale="digits",
    base={
        "data": {"name": "digits"},
        "model": {"name": "small_cnn"},
        "box": "none",  # injected images leave [0, 1]
        "epochs": 24,
        "batch_size": 64,
        "learning_rate": 0.1,
        "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
        "monitor": {"interval": 60},
        "evaluation": ("clean", "fgsm", "pgd-10"),
    },
    epsilon=0.25,
    beta=0.15,
    epsilons=(0.15, 0.2, 0.25, 0.3),
    betas=(0.0, 0.1, 0.15, 0.25),
    seeds=DIGITS_SEEDS,
    more_seeds=DIGITS_SEEDS,
    keep=tuple(range(0, 481, 24)),
    pgd={"name": "pgd", "steps": 3},
    accuracy="pgd-10",
    test_images=360,
)

# One convolution: the smallest network that FGSM training is known to break on natural images (Andriushchenko &
# Flammarion, 2020; rate, schedule and initialisation are theirs). In pilots the feature broke nothing where training
# is safe without it (6/255, strengths 8 and 12/255); so this is a radius at which it surely is not, and a strength from
# the middle of the paper's window, beta twice epsilon.
_LAPTOP = Setup(
    scale="laptop",
    base={
        "data": {"name": "cifar10", "holdout": 1000, "test_size": 2000},
        "normalise": "none",
        "model": {"name": "single_layer_cnn", "width": 16},
        "box": "none",
        "epochs": 30,
        "batch_size": 128,
        "optimizer": "adam",
        "learning_rate": 0.003,
        "schedule": {"kind": "cyclic", "peak": 0.4},
        "monitor": {"interval": 200, "points": 512},
        "evaluation": ("clean", "fgsm", "pgd-50"),
    },
    epsilon=12 / 255,
    beta=24 / 255,
    epsilons=(12 / 255,),
    betas=(0.0, 24 / 255),
    seeds=(0, 1, 2, 3, 4, 5),
    more_seeds=(0, 1, 2, 3, 4, 5),
    keep=tuple(range(0, 11_461, 382)),  # the ends of the epochs
    pgd={"name": "pgd", "steps": 2},
    accuracy="pgd-50",
    test_images=2000,
)

_PAPER = Setup(
    scale="paper",
    base={
        "data": {"name": "cifar10", "holdout": 1000},
        "model": {"name": "preact_resnet18"},
        "box": "eps_then_box",  # as released; see the recipe box_modes
        "epochs": 30,
        "batch_size": 128,
        "learning_rate": 0.2,
        "weight_decay": 5e-4,
        "schedule": {"kind": "cyclic", "peak": 0.5, "cycle_momentum": True},
        "monitor": {"interval": 200},
        "evaluation": ("clean", "fgsm", "pgd-50-10"),
    },
    epsilon=6 / 255,
    beta=8 / 255,
    epsilons=tuple(epsilon / 255 for epsilon in (2, 4, 6, 8)),
    betas=tuple(beta / 255 for beta in range(27)),
    seeds=(0, 1, 2),
    more_seeds=(0, 1, 2, 3, 4),
    keep=tuple(range(0, 11_461, 382)),  # the ends of the epochs
    pgd={"name": "pgd", "steps": 10, "alpha": 2 / 255},  # as released, at every radius
    accuracy="pgd-50-10",
    test_images=10_000,
)

SETUPS: dict[Scale, Setup] = {"smoke": _DIGITS.at_smoke(), "digits": _DIGITS, "laptop": _LAPTOP, "paper": _PAPER}


def setup_of(data: pd.DataFrame) -> Setup:
    """The setup of a recipe's table, by its column `scale`."""
    scale: Scale = data["scale"].iloc[0]
    return SETUPS[scale]
