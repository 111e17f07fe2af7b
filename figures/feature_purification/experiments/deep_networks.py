"""Deep networks before and after adversarial training: which runs are trained, and measured all at once.

By seed five runs on the data as they are: standard training (w, from w0); from its last weights PGD training (w', the
"local" purification of the paper's talks [S]), FGSM training and, as control, standard training for as long; and PGD
training from w0 ("global"). Architectures, radii and schedules of the paper's experiments were not found; networks,
data and rates are ours: at scale laptop one convolution with filters large enough to be seen, elsewhere the setup of
co_features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import override

from analyses.core.measurement import Measurement
from analyses.core.runner import StudyRunner
from cotoolkit.config import RunConfig
from cotoolkit.runs.checkpoints import evaluation_points, trained, trained_series, training_images
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.overrides import apply
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups import setup as co_features
from figures.co_features.setups.setup import Settings, Setup
from figures.feature_purification.experiments.deep_measures import (
    ATOMS,
    PIXEL_CHANGE,
    POINTS,
    RANKS,
    SHOWN,
    STEPS,
    UNITS,
    measured,
)
from figures.records.setting import setting_sentence

SLOWER = 0.5
"""Learning rate of training on from finished weights, in units of the first (ours)."""

_WITH_FEATURE = co_features.SETUPS["laptop"]

SETUPS: dict[Scale, Setup] = co_features.SETUPS | {
    "laptop": _WITH_FEATURE.model_copy(
        update={
            "base": {
                **{name: value for name, value in _WITH_FEATURE.base.items() if name not in ("box", "monitor")},
                "data": {
                    "name": "cifar10",
                    "augment": "crop_flip",
                    "holdout": 1000,
                    "train_size": 10_000,
                    "test_size": 2000,
                },
                "model": {"name": "single_layer_cnn", "width": 32, "kernel": 7},
                "epochs": 15,
                "monitor": {"interval": 50, "points": 512},
                "evaluation": ("clean", "pgd-10"),
            },
            "epsilon": 8 / 255,
            "seeds": (0, 1, 2),
            "keep": (),
            "accuracy": "pgd-10",
        }
    )
}
"""What is trained by scale. At laptop the rate and its schedule are Andriushchenko & Flammarion's (2020)."""


def clean_arm(setup: Setup) -> Settings:
    """Standard training, from w0 to w."""
    return setup.arm(0.0, method="standard", keep=(0,))


def from_scratch_arm(setup: Setup) -> Settings:
    """PGD training from w0."""
    return setup.arm(0.0, method=setup.pgd)


def later_arms(setup: Setup, root: Path, seed: int) -> dict[str, Settings]:
    """What starts from w: "robust" (PGD training), "fgsm" (FGSM training) and "longer" (standard training).

    Args:
        setup: of the runs.
        root: of the run folders; w has to be there.
        seed: of the runs.

    Returns:
        Settings by network.
    """
    start = RunFolder.of(root, setup.config(clean_arm(setup), seed)).checkpoint_path("last")
    rate = SLOWER * float(setup.base["learning_rate"])
    given: dict[str, Any] = {"initial": str(start), "learning_rate": rate}
    return {
        "robust": setup.arm(0.0, method=setup.pgd, **given),
        "fgsm": setup.arm(0.0, method="fgsm", **given),
        "longer": setup.arm(0.0, method="standard", **given),
    }


def _first_study(setup: Setup) -> Study:
    return setup.study("purification-clean", [clean_arm(setup), from_scratch_arm(setup)])


STUDIES: dict[Scale, tuple[Study, ...]] = {scale: (_first_study(setup),) for scale, setup in SETUPS.items()}
"""What starts from w0; the rest starts from what these leave."""


def deep_setting(scale: Scale) -> str:
    """What is trained at a scale, in words."""
    first = setting_sentence([run for study in STUDIES[scale] for run in study.runs()])
    return (
        f"{first} From the last weights of standard training go on, for as long at {SLOWER:g} times the learning rate, "
        f"PGD-{SETUPS[scale].pgd['steps']}, FGSM and, as control, standard training."
    )


def measured_parts(*parts: str) -> Callable[[Scale, StudyRunner], pd.DataFrame]:
    """Trains and measures, for some parts of the measures; pictures are kept of the first seed alone.

    Args:
        *parts: those wanted.

    Returns:
        The `collect` of a recipe. Columns of its table are seed, part and those of the parts (see `measured`), scale.
    """

    def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
        setup = SETUPS[scale]
        for study in STUDIES[scale]:
            runner.train(study)
        for seed in setup.seeds:
            arms = later_arms(setup, runner.root, seed).values()
            runner.train(setup.study(f"purification-from-clean-{seed}", arms, [seed]))
        data = runner.measure([Family(scale, seed, str(runner.root)) for seed in setup.seeds]).assign(scale=scale)
        shown = (data["statistic"] != "pixel") | (data["seed"] == data["seed"].min())
        rows: pd.DataFrame = data[data["part"].isin(parts) & shown]
        return rows.dropna(axis="columns", how="all").reset_index(drop=True)

    return collect


@dataclass(frozen=True)
class Family(Measurement):
    """The five runs of a seed.

    Attributes:
        scale: names the setup.
        seed: of all five.
        root: of the runs: w is named with its path in the configuration of those that start from it.
    """

    scale: Scale
    seed: int
    root: str

    @property
    @override
    def title(self) -> str:
        return f"purification {self.scale} seed {self.seed}"

    @property
    @override
    def protocol(self) -> list[Any]:
        return ["figures.purification.deep", 3, RANKS, ATOMS, POINTS, SHOWN, UNITS, STEPS, PIXEL_CHANGE, self.seed]

    @property
    def configs(self) -> dict[str, RunConfig]:
        """Of the runs, by network."""
        setup = SETUPS[self.scale]
        arms = {"clean": clean_arm(setup), "scratch": from_scratch_arm(setup)}
        arms |= later_arms(setup, Path(self.root), self.seed)
        return {name: RunConfig.parse(apply(setup.base, {**arm, "seed": self.seed})) for name, arm in arms.items()}

    @override
    def runs(self, root: Path) -> Sequence[RunFolder]:
        return [RunFolder.of(root, config) for config in self.configs.values()]

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        folders = dict(zip(self.configs, self.runs(root), strict=True))
        start, clean = trained_series(folders["clean"], [0, "last"])
        networks = {"start": start, "clean": clean}
        networks |= {name: trained(folder) for name, folder in folders.items() if name != "clean"}
        config = self.configs["robust"]
        points = evaluation_points(config).first(POINTS)
        return measured(networks, points, config, training_images(config)).assign(seed=self.seed)
