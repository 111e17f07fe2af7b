"""The runs of a GPU slot at the papers' scale: what is trained, as data, and what is measured of it.

Settings are those of the recipes at scale paper, in bfloat16, with seed 0. At scale toy the same code takes seconds on
a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from cotoolkit.config import RunConfig
from cotoolkit.core.digest import split_stamp, stamped
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import format_number
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.runs.checkpoints import evaluation_points, trained, training_images, untrained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.run import run
from figures.co_features import low_pass, orthogonal
from figures.co_features.setups.grid_points import GridRuns
from figures.co_features.setups.setup import SETUPS, Settings, Setup
from figures.feature_purification.experiments.deep_networks import clean_arm, from_scratch_arm, later_arms

Numbers = dict[str, Any]

SEED = 0

TRAINED = ("clean", "scratch", "robust", "fgsm", "longer")
"""Networks of feature purification, by the names of its recipes; the first one's weights are needed the longest."""

HERE = Path()
"""Folder of the run folders: the working directory, so that weights to start from have the same name anywhere."""


class Scale(NamedTuple):
    """How large everything is.

    Attributes:
        device: that trains.
        setup: of all runs.
        induced: radius and strength of the feature of each run of the first anchors.
        epsilon: radius of FGSM and N-FGSM training without a feature.
        points: that are attacked in the end.
        turn: steps that are timed together.
        repeats: how often they are.
        side: of the matrices whose product is the measure of speed.
        patience: what the seconds that a step needs at scale paper are multiplied by.
    """

    device: Literal["cpu", "cuda"]
    setup: Setup
    induced: tuple[tuple[float, float], ...]
    epsilon: float
    points: int
    turn: int
    repeats: int
    side: int
    patience: float


def _in_bfloat16(setup: Setup, **base: Any) -> Setup:
    return setup.model_copy(update={"base": {**setup.base, **base, "precision": "bf16-mixed"}})


_TINY = SETUPS["smoke"].model_copy(update={"keep": (0, 2), "pgd_steps": 2, "accuracy": "pgd-2", "test_images": 40})

SCALES = {
    "paper": Scale(
        device="cuda",
        setup=_in_bfloat16(SETUPS["paper"]),
        induced=((6 / 255, 0.0), (6 / 255, 10 / 255), (4 / 255, 7 / 255), (4 / 255, 12 / 255)),
        epsilon=8 / 255,
        points=1000,
        turn=20,
        repeats=5,
        side=8192,
        patience=1.0,
    ),
    "toy": Scale(
        device="cpu",
        setup=_in_bfloat16(
            _TINY,
            data={"name": "digits", "train_size": 128, "test_size": 40},
            model={"name": "small_cnn", "width": 4},
            epochs=2,
            monitor={"interval": 0, "points": 16, "steps": 2},
            evaluation=("clean", "fgsm", "pgd-2"),
        ),
        induced=((0.25, 0.0), (0.25, 0.25), (0.2, 0.1), (0.2, 0.25)),
        epsilon=0.3,
        points=4,
        turn=1,
        repeats=1,
        side=64,
        patience=0.0,
    ),
}


def _of(runs: GridRuns, setup: Setup, **label: Any) -> Settings:
    """Settings of the point of a recipe that has a label."""
    return next(point.settings for point in runs.points(setup) if label.items() <= point.label.items())


def first_arms(scale: Scale) -> dict[str, Settings]:
    """Settings of all runs that start from the seed's weights, by name, in the order in which they are trained.

    The orthogonal pair is FGSM training with the feature on images as they are and on images without its span; the
    low-pass pair FGSM training where it breaks without a feature, without a filter and behind the wide one.
    """
    setup = scale.setup
    side = low_pass.SIDES[setup.base["data"]["name"]]
    square = {"method": "fgsm", "filter": "low_pass"}
    plain = {
        f"{method} {format_number(scale.epsilon)}": setup.arm(0.0, method=method, epsilon=scale.epsilon)
        for method in ("n_fgsm", "fgsm")
    }
    return {
        **{
            f"co_features {format_number(epsilon)} beta {format_number(beta)}": setup.arm(beta, epsilon=epsilon)
            for epsilon, beta in scale.induced
        },
        "orthogonal: images as they are": _of(orthogonal.RUNS, setup, projector="none", beta=setup.beta),
        "orthogonal: feature's span removed": _of(orthogonal.RUNS, setup, projector="correct", beta=setup.beta),
        "low_pass: no filter": _of(low_pass.RUNS, setup, **square, bandwidth=side),
        "low_pass: wide filter": _of(low_pass.RUNS, setup, **square, bandwidth=round(low_pass.SHARES[0] * side)),
        **plain,
        "purification: scratch": from_scratch_arm(setup),
        "purification: clean": clean_arm(setup),
    }


class Step(NamedTuple):
    """Something that a slot does.

    Attributes:
        stage: what it belongs to.
        what: its name.
        seconds: below which it is not begun, at scale paper; the training of a run goes on another time.
        work: takes the folders of `needs`, in their order.
        needs: the runs whose last weights it starts from.
    """

    stage: str
    what: str
    seconds: float
    work: Callable[..., Numbers]
    needs: tuple[str, ...] = ()


def anchors(scale: Scale) -> list[Step]:
    """All of them, in order."""
    found = []

    def add(what: str, seconds: float, work: Callable[..., Numbers], *needs: str) -> None:
        found.append(Step("anchors", what, seconds, work, needs))

    for what, arm in first_arms(scale).items():
        add(what, 60, partial(_train, scale, arm))
        if what.startswith(("n_fgsm", "fgsm")):
            add(f"{what}: attacks", 300, partial(_attack, scale), what)
    clean = "purification: clean"
    for name in ("robust", "fgsm", "longer"):
        add(f"purification: {name}", 60, lambda _, name=name: _train(scale, _later_arm(scale, name)), clean)
    add("purification: measures", 400, _measure, *(f"purification: {name}" for name in TRAINED))
    return found


def _later_arm(scale: Scale, name: str) -> Settings:
    """Settings of a run that starts from the clean one, which is named as it is seen from the working directory."""
    arm = later_arms(scale.setup, HERE, SEED)[name]
    _, digest = split_stamp(stamped(arm["initial"], "weights"))
    return {**arm, "initial": f"{arm['initial']}#{digest}"}


def _train(scale: Scale, arm: Settings) -> Numbers:
    """Train to the end, from wherever the run is; accuracies in [0, 1] on the test set by protocol."""
    config: RunConfig = scale.setup.config(arm, SEED)
    folder = run(config, HERE, device=scale.device)
    result = folder.result()
    accuracies = {name: found["value"] for name, found in result["evaluation"].items()}
    broke = result["breakpoint"] and result["breakpoint"]["iteration"]
    seconds = {"training_seconds": result["seconds"]}
    return {"run": folder.path.name, "verdict": result["verdict"], **accuracies, "breakpoint": broke, **seconds}


def _attack(scale: Scale, folder: RunFolder) -> Numbers:
    """PGD and AutoAttack on the same first points of the test set."""
    from cotoolkit.diagnosis.measuring.autoattack import autoattack

    config = folder.config()
    model = trained(folder, "last", scale.device)
    images, labels, classes = evaluation_points(config, scale.device).first(scale.points)
    found = run_protocol(model, images, labels, config.threat, scale.setup.accuracy, seed=config.seed)
    numbers: Numbers = {"points": found.accuracy.points, scale.setup.accuracy: found.accuracy.value}
    try:
        stronger = autoattack(model, images, labels, config.threat, classes=classes, seed=config.seed)
    except ConfigError as error:
        return {**numbers, "autoattack": str(error)}
    return {**numbers, "autoattack": stronger.accuracy.value, "version": f"{stronger.version} {stronger.package}"}


def _measure(*family: RunFolder) -> Numbers:
    """What the recipes of deep networks measure; the whole table goes with the run folders, without pictures.

    On the CPU, as the recipes do it: a part of the measures is scikit-learn's.
    """
    from figures.feature_purification.experiments.deep_measures import POINTS, measured

    folders = dict(zip(TRAINED, family, strict=True))
    config = folders["robust"].config()
    networks = {"start": untrained(config), **{name: trained(folder) for name, folder in folders.items()}}
    table = measured(networks, evaluation_points(config).first(POINTS), config, training_images(config))
    numbers = table[table["statistic"] != "pixel"].dropna(axis="columns", how="all")
    (HERE / "purification").mkdir(exist_ok=True)
    numbers.to_parquet(HERE / "purification" / "measures.parquet", index=False)
    accuracies = numbers[numbers["part"] == "accuracies"]
    angles = numbers[(numbers["part"] == "angles") & (numbers["statistic"] == "mean")]
    return {
        **{f"{row.network} {row.statistic}": row.value for row in accuracies.itertuples()},
        **{f"angle {pair}": value for pair, value in angles.groupby("pair")["value"].mean().items()},
    }
