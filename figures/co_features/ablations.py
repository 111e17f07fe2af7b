"""Cross-testing: networks trained on injected data, tested with the feature, without, alone, reversed and permuted.

That the paper has this figure, its arms and its claim (the feature is preferred as soon as it is useful, P7) is
recollected ([M] in the spec): tested here as hypotheses of ours. The strengths are those of the training; at strength 0
all tests but "V only" are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE
from analyses.core.measurement import RunMeasurement
from analyses.core.runner import StudyRunner
from cotoolkit.core.numbers import format_number
from cotoolkit.data import apply_intervention, load
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.plotting.style import CYCLE, DASHES, MARKERS, PAGE
from cotoolkit.runs.checkpoints import trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.around_breakpoint import POINTS, injection_of
from figures.co_features.setups.setup import SETUPS, Settings, Setup, setup_of
from figures.elements import new_figure, percent, seed_band
from figures.recipe import Recipe, table_of
from interventions.carriers import Paired
from interventions.injection import InjectPermuted

PERMUTATION_SEED = 0
"""Of the random derangement pi."""

TESTS = {
    "injected": "with the feature, x + β v(y)",
    "natural": "without it, x",
    "alone": "the feature alone, β v(c)",
    "reversed": "reversed, x − β v(y)",
    "permuted": "permuted, x + β v(π(y))",
}

SOURCE = "ours: hypothesis, recollected [M], P7"


def arms(setup: Setup) -> dict[tuple[str, float], Settings]:
    """FGSM over the strengths of Figure 1, PGD without the feature, at the setup's strength, and at the largest."""
    fgsm = {("fgsm", beta): setup.arm(beta) for beta in setup.betas}
    strengths = (0.0, setup.beta, max(setup.betas))
    return fgsm | {("pgd", beta): setup.arm(beta, method=setup.pgd) for beta in strengths}


STUDIES: dict[Scale, tuple[Study, ...]] = {
    scale: (setup.study("ablations", arms(setup).values()),) for scale, setup in SETUPS.items()
}


def variants(images: Tensor, labels: Tensor, vectors: Tensor, beta: float) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """Test data by name: images, labels, and the class whose feature each image carries (-1 for none).

    Args:
        images: (B, C, H, W) without the feature.
        labels: (B,).
        vectors: (classes, C, H, W); for "reversed" class y carries the feature of the class whose vector is -v_y, and
            none where there is no such class.
        beta: strength.

    Returns:
        Images, labels and carried classes by the names of `TESTS`; shapes (N, C, H, W), (N,), (N,).
    """
    classes = torch.arange(len(vectors))
    pi = InjectPermuted(Paired(), beta=beta, seed=PERMUTATION_SEED).permutation(len(vectors))
    opposite = _opposite(vectors)
    return {
        "injected": (images + beta * vectors[labels], labels, labels),
        "natural": (images, labels, torch.full_like(labels, -1)),
        "alone": (beta * vectors, classes, classes),
        "reversed": (images - beta * vectors[labels], labels, opposite[labels]),
        "permuted": (images + beta * vectors[pi[labels]], labels, pi[labels]),
    }


def _opposite(vectors: Tensor) -> Tensor:
    """The class of -v_c for each class c; -1 without one. Shapes: (classes, C, H, W) -> (classes,)."""
    flat = vectors.flatten(1)
    same = (flat[:, None] + flat[None]).abs().amax(2) < 1e-6
    return torch.where(same.any(1), same.float().argmax(1), -1)


def cross_test(folder: RunFolder) -> pd.DataFrame:
    """One row per test: accuracy and robust accuracy (PGD-10) with regard to y, and how often the feature is followed.

    `follows` is the share of images that are classified as the class whose feature they carry; nan without one.
    """
    config = folder.config()
    test = load(config.data, config.seed).test
    few = test.pick(torch.arange(min(POINTS, len(test))))
    images, labels = apply_intervention(few, None, config.seed, "cpu", train=False)
    model = trained(folder)
    injection = injection_of(config)
    vectors = injection.carrier.vectors(test.classes, test.shape)
    rows = []
    for name, (inputs, true, carried) in variants(images, labels, vectors, injection.beta).items():
        with torch.no_grad():
            predicted = model(inputs).argmax(1)
        attacked = run_protocol(model, inputs, true, config.threat, "pgd-10", seed=config.seed)
        row = {"test": name, "accuracy": float((predicted == true).double().mean())}
        row |= {"robust": attacked.accuracy.value}
        known = carried >= 0
        row |= {"follows": float((predicted == carried)[known].double().mean()) if known.any() else float("nan")}
        rows.append(row)
    return pd.DataFrame(rows)


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per method, strength, seed and test."""
    setup = SETUPS[scale]
    table_of(runner, STUDIES[scale])
    measurements = [
        RunMeasurement(setup.config(arm, seed), cross_test, {"method": method, "beta": beta, "seed": seed})
        for (method, beta), arm in arms(setup).items()
        for seed in setup.seeds
    ]
    return runner.measure(measurements).assign(scale=scale)


def draw(data: pd.DataFrame) -> Figure:
    """FGSM training above, PGD training below; accuracy, robust accuracy, and following the feature."""
    figure, axes = new_figure(PAGE, 4.2, 2, 3, sharex=True, sharey=True)
    measures = {"accuracy": "accuracy", "robust": "PGD-10 accuracy", "follows": "classified as the feature says"}
    for row, (method, title) in zip(axes, (("fgsm", "FGSM training"), ("pgd", "PGD training")), strict=True):
        for axis, measure in zip(row, measures, strict=True):
            for index, test in enumerate(TESTS):
                cells = data[(data["method"] == method) & (data["test"] == test)]
                look = {"colour": CYCLE[index], "line": DASHES[index], "marker": MARKERS[index], "ms": 3, "dots": True}
                seed_band(axis, cells, "beta", measure, **look, label=TESTS[test])
            percent(axis)
            axis.set(ylim=(-0.03, 1.03))
        row[0].set(ylabel=f"{title}: images (%)")
    for above, below, label in zip(*axes, measures.values(), strict=True):
        above.set(title=label)
        below.set(xlabel="strength of the feature, β")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _cells(data: pd.DataFrame, measure: str) -> pd.DataFrame:
    """A measure: rows are seeds, columns (method, beta, test)."""
    return data.pivot_table(index="seed", columns=["method", "beta", "test"], values=measure)


class _Results(NamedTuple):
    """Measures of the tests as `_cells` gives them; `most` is the largest strength."""

    setup: Setup
    most: float
    accuracy: pd.DataFrame
    follows: pd.DataFrame


def _read(data: pd.DataFrame) -> _Results:
    setup = setup_of(data)
    return _Results(setup, max(setup.betas), _cells(data, "accuracy"), _cells(data, "follows"))


TESTED = f"on {POINTS} test images"


def _learned(method: str, beta: Callable[[_Results], float]) -> ClaimRow[_Results]:
    return claim(
        "learned", f"{method.upper()} training learns the classes", f"clean accuracy {TESTED} with the feature",
        above=0.5, null=CHANCE, value=lambda n: n.accuracy[method, beta(n), "injected"],
    )  # fmt: skip


def _of_method(method: str) -> tuple[ClaimRow[_Results], ...]:
    name = f"{method.upper()} training"
    strongest = _learned(method, lambda n: n.most)
    return (
        claim(
            f"prefers_{method}", f"{name}: a strong feature is followed rather than the image",
            f"permuted feature, β {{most}}, {TESTED}: rate of following it minus accuracy", above=0.0, source=SOURCE,
            value=lambda n: n.follows[method, n.most, "permuted"] - n.accuracy[method, n.most, "permuted"],
            premises=(strongest,),
        ),
        claim(
            f"rises_{method}", f"{name}: a stronger feature is followed more often",
            f"permuted feature, rate of following it {TESTED}: β {{most}} minus β {{setup.strength}}", above=0.0,
            source=SOURCE,
            value=lambda n: n.follows[method, n.most, "permuted"] - n.follows[method, n.setup.beta, "permuted"],
            premises=(
                strongest,
                claim(
                    "room", f"{name}: the weaker feature leaves room to rise", "rate of following it", below=0.9,
                    value=lambda n: n.follows[method, n.setup.beta, "permuted"],
                ),
            ),
        ),
        claim(
            f"natural_{method}", f"{name}: accuracy on natural images falls with the strength of the feature",
            f"accuracy {TESTED} without the feature: β {{setup.strength}} minus β {{most}}", above=0.0, source=SOURCE,
            value=lambda n: n.accuracy[method, n.setup.beta, "natural"] - n.accuracy[method, n.most, "natural"],
            premises=(
                claim(
                    "room", f"{name}: natural images are recognised at the weaker strength",
                    f"accuracy {TESTED} without the feature", above=2 * CHANCE, null=CHANCE,
                    value=lambda n: n.accuracy[method, n.setup.beta, "natural"],
                ),
            ),
        ),
    )  # fmt: skip


CLAIMS: ClaimTable[_Results] = ClaimTable(
    (
        *_of_method("fgsm"),
        *_of_method("pgd"),
        claim(
            "combines", "PGD training still uses the natural images at the strength that breaks FGSM training",
            f"PGD training, β {{setup.strength}}: accuracy {TESTED} without the feature", above=2 * CHANCE, null=CHANCE,
            source=SOURCE, value=lambda n: n.accuracy["pgd", n.setup.beta, "natural"],
            premises=(_learned("pgd", lambda n: n.setup.beta),),
        ),
    ),
    read=_read,
    words=lambda n: {**n._asdict(), "most": format_number(n.most)},
)  # fmt: skip
"""P7: the feature is preferred once it is useful; thresholds are ours. That PGD training holds where FGSM training
breaks is judged in the figure of the methods."""


RECIPE = Recipe(
    name="co_features/ablations",
    shows="Networks tested with the feature, without it, alone, reversed and permuted, against its strength",
    item="Cross-testing (recollected; its number in the paper was not found)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
