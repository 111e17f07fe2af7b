"""Figure 11: accuracy, loss and cosines of a network with one convolution through FGSM training.

As in the released code: FGSM and PGD-10 with steps of epsilon / 4 from a random start, the last iterate counts, and the
gradient at x is compared with that at x + noise, uniform in the ball. On 1,000 test images instead of 256; images
without a gradient, whose cosine is undefined, count 1 there and are left out here.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn.functional import cross_entropy

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE
from analyses.core.runner import StudyRunner
from cotoolkit.attacks.gradient import fgsm, input_gradient, pgd
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.data.points import Points
from cotoolkit.models.modes import attack_mode
from cotoolkit.plotting.style import BLUE, GREEN, GREY, PAGE, VERMILION
from cotoolkit.runs.checkpoints import evaluation_points, trained_series
from cotoolkit.runs.folder import RunFolder
from cotoolkit.signals.local import gradient_alignment
from cotoolkit.signals.perturbation import perturbation_alignment
from cotoolkit.studies.scale import Scale
from figures.elements import new_figure, percent, seed_lines
from figures.gradalign.single_layer import (
    EPOCHS,
    MOST_BREAK,
    STUDIES,
    broke_by_seed,
    single_layer_table,
)
from figures.recipe import Comparison, Recipe

DIGITISED = Path(__file__).parent / "digitised.csv"
"""The paper's figure, read off the picture in the authors' repository at each epoch: accuracies in percent, losses in
nats. The error is about 2 points, 0.2 nats and 0.01; more at epoch 6, where all curves are steep."""

POINTS = 1000
"""First test images."""

STEPS = 10
"""Of PGD."""

PANELS = {
    "accuracy": {"fgsm": ("FGSM", VERMILION, "-"), "pgd": ("PGD-10", BLUE, "--")},
    "loss": {"fgsm_loss": ("FGSM", VERMILION, "-"), "pgd_loss": ("PGD-10", BLUE, "--")},
    "cosine": {
        "gradient_cosine": ("∇ at x and at x + noise", GREEN, "-"),
        "perturbation_cosine": ("δ of FGSM and of PGD-10", GREY, "--"),
    },
}
"""Statistics of the panels, how they are written, their colours, their lines."""


def attack_statistics(folder: RunFolder) -> pd.DataFrame:
    """What FGSM and PGD do to a run's network after each epoch.

    Args:
        folder: of a finished run with kept weights.

    Returns:
        Columns epoch, statistic, value; the statistics are those of `PANELS`.
    """
    config, kept = folder.config(), folder.kept()
    points = evaluation_points(config).first(POINTS)
    rows = [
        {"epoch": epoch, "statistic": name, "value": value}
        for epoch, model in enumerate(trained_series(folder, kept))
        for name, value in attack_effects(model, points, config.threat, config.seed).items()
    ]
    return pd.DataFrame(rows)


def attack_effects(model: nn.Module, points: Points, threat: ThreatModel, seed: int) -> dict[str, float]:
    """Accuracy and loss under FGSM and PGD, and the cosines of two gradients and of the two perturbations.

    Args:
        model: in evaluation mode.
        points: images and labels.
        threat: radius and clamps.
        seed: of the random starts.

    Returns:
        A number by statistic of `PANELS`: accuracies in [0, 1], losses in nats, mean cosines.
    """
    images, labels, _ = points
    random = generator(seed, "probe")
    one = fgsm(model, images, labels, threat, bn_mode="eval")
    alpha = threat.epsilon / 4
    many = pgd(model, images, labels, threat, generator=random, steps=STEPS, alpha=alpha, bn_mode="eval")
    found = {}
    with attack_mode(model, "eval"):
        noisy = input_gradient(model, images + threat.random_start(images, random), labels).gradient
        for name, delta in {"fgsm": one.delta, "pgd": many.delta}.items():
            with torch.no_grad():
                logits = model(images + delta)
            found[name] = float((logits.argmax(1) == labels).double().mean())
            found[f"{name}_loss"] = float(cross_entropy(logits, labels))
    return found | {
        "gradient_cosine": float(gradient_alignment(one.gradient, noisy).nanmean()),
        "perturbation_cosine": float(perturbation_alignment(one.delta, many.delta).nanmean()),
    }


def with_paper(measured: pd.DataFrame) -> pd.DataFrame:
    """Our rows with `series` "ours", and beside them the paper's with `series` "paper", in our units."""
    printed = pd.read_csv(DIGITISED)
    printed[["fgsm", "pgd"]] /= 100
    paper = printed.melt("epoch", var_name="statistic").assign(series="paper", seed=0)
    return pd.concat([measured.assign(series="ours"), paper], ignore_index=True)


def draw(data: pd.DataFrame) -> Figure:
    """Ours above, a line per seed; the paper's one run below."""
    figure, axes = new_figure(PAGE, 3.8, 2, 3, sharex=True, sharey="col")
    for row, (series, title) in zip(axes, (("ours", "ours, {} seeds"), ("paper", "paper (digitised)")), strict=True):
        own = data[data["series"] == series]
        for axis, (kind, lines) in zip(row, PANELS.items(), strict=True):
            for statistic, (label, colour, line) in lines.items():
                shown = own[own["statistic"] == statistic].sort_values(["seed", "epoch"])
                look = {"ls": line, "lw": 0.8, "alpha": 0.8}
                seed_lines(axis, shown, "epoch", "value", colour=colour, label=label, **look)
            axis.set(title=f"{kind}, {title.format(own['seed'].nunique())}", xlim=(0, EPOCHS))
    for accuracy, loss, cosine in axes:
        percent(accuracy, "adversarial accuracy")
        accuracy.set(ylim=(-0.02, 1.02))
        loss.set(ylabel="adversarial loss (nats)")
        cosine.set(ylabel="mean cosine", ylim=(-0.02, 1.02))
    for axis in axes[1]:
        axis.set(xlabel="epoch")
    entries = [axes[0][place].get_legend_handles_labels() for place in (0, 2)]
    handles, labels = ([*first, *second] for first, second in zip(*entries, strict=True))
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _ours(data: pd.DataFrame) -> pd.DataFrame:
    return data[data["series"] == "ours"]


def _before_and_end(data: pd.DataFrame, statistic: str) -> pd.DataFrame:
    """A statistic at the end, and at the epoch before the break at which the network was most robust.

    Returns:
        Columns before and end, a row per seed that broke.
    """
    wide = data.pivot_table(index=["seed", "epoch", "broke"], columns="statistic", values="value").reset_index()
    before = wide[wide["epoch"] < wide["broke"]]  # the rows of a run that did not break have no place in the pivot
    best = before.loc[before.groupby("seed")["pgd"].idxmax()].set_index("seed")[statistic]
    end = wide[wide["epoch"] == EPOCHS].set_index("seed")[statistic]
    return pd.DataFrame({"before": best, "end": end})


def _fall(data: pd.DataFrame, statistic: str) -> pd.Series[float]:
    pair = _before_and_end(data, statistic)
    return pair["before"] - pair["end"]


ON = f"on {POINTS} test images"

FIGURE = "paper [F]: figure 11"

ROBUST: ClaimRow[pd.DataFrame] = claim(
    "robust_before", "Before the break the network has robustness to lose, more than guessing has",
    f"PGD-{STEPS} accuracy {ON}, at best before the break", above=CHANCE, null=CHANCE,
    value=lambda data: _before_and_end(data, "pgd")["before"],
)  # fmt: skip

CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        MOST_BREAK,
        claim(
            "pgd_to_zero", "Runs that break end without robustness", f"PGD-{STEPS} accuracy {ON} at the end",
            below=0.01, null=0.1, source=FIGURE, value=lambda data: _before_and_end(data, "pgd")["end"],
            premises=(ROBUST,),
        ),
        claim(
            "fgsm_jumps", "Runs that break resist FGSM better at the end than before", f"FGSM accuracy {ON}: end minus "
            "the most robust epoch before the break", above=0.1, source=FIGURE,
            value=lambda data: -_fall(data, "fgsm"), premises=(ROBUST,),
        ),
        claim(
            "loss_rises", "After the break the loss under PGD rises far above that of guessing, 2.3",
            f"PGD-{STEPS} loss {ON} at the end", above=10, null=2.3, source=FIGURE,
            value=lambda data: _before_and_end(data, "pgd_loss")["end"], premises=(ROBUST,),
        ),
        claim(
            "gradients_turn", "Across the break the gradients inside the ball lose their alignment",
            f"mean cosine of the gradients at x and x + noise {ON}: the most robust epoch before "
            "the break minus the end",
            above=0.5, source=FIGURE, value=lambda data: _fall(data, "gradient_cosine"), premises=(ROBUST,),
        ),
        claim(
            "perturbations_turn", "Across the break FGSM's perturbation turns away from PGD's",
            f"mean cosine of the perturbations of FGSM and PGD-{STEPS} {ON}: the most robust epoch before the break "
            "minus the end", above=0.5, source=FIGURE, value=lambda data: _fall(data, "perturbation_cosine"),
            premises=(ROBUST,),
        ),
    ),
    read=_ours,
)  # fmt: skip
"""What the figure shows of the break, for the seeds that break."""


def compare(data: pd.DataFrame) -> list[Comparison]:
    """The digitised levels at the end, and the epoch of the break."""
    source, printed = "[F] Figure 11, digitised", pd.read_csv(DIGITISED).set_index("epoch").loc[EPOCHS]
    remark = f"theirs: one seed, 256 test images; ours: seeds that broke, {POINTS} test images"
    levels = {
        "fgsm": ("FGSM accuracy at the end", f"{printed['fgsm'] / 100:.2f}"),
        "pgd": (f"PGD-{STEPS} accuracy at the end", f"{printed['pgd'] / 100:g}"),
        "fgsm_loss": ("FGSM loss at the end (nats)", f"{printed['fgsm_loss']:.1f}"),
        "pgd_loss": (f"PGD-{STEPS} loss at the end (nats)", f"{printed['pgd_loss']:.1f}"),
        "gradient_cosine": ("cosine of gradients at the end", f"{printed['gradient_cosine']:.2f}"),
        "perturbation_cosine": ("cosine of perturbations at the end", f"{printed['perturbation_cosine']:.2f}"),
    }
    ours = _ours(data)
    ends = [
        Comparison(what, level, source, _before_and_end(ours, name)["end"], remark)
        for name, (what, level) in levels.items()
    ]
    when = broke_by_seed(ours)
    return [Comparison("epoch of the break", "around 6", source, when, remark), *ends]


_measured = single_layer_table(attack_statistics)


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Train and measure, and put the paper's curves beside."""
    return with_paper(_measured(scale, runner))


RECIPE = Recipe(
    name="gradalign/training_metrics",
    shows="Accuracy, loss and cosines through FGSM training of a network with one convolution on CIFAR-10",
    item="The GradAlign paper, figure 11",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
    compare=compare,
)
