"""`cotoolkit analyse STUDY`: a study from training to the answer, shown by the recipes of its paper.

The commands about networks are those of `analyses.cli`; these are added to them here, since analyses know no figures.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from analyses.cli import (
    MeasureAgain,
    Out,
    Seed,
    StudyScale,
    app,
    compare_with_purification,
    say_claims,
    write_page,
)
from analyses.core.progress import live_runner
from cotoolkit.cli.display import say
from cotoolkit.cli.training import Download, Jobs, Root
from cotoolkit.core.device import Device

__all__ = ["app"]


class StudyCommand(NamedTuple):
    """A study that has a command.

    Attributes:
        question: what it asks, for people.
        module: where its `STUDY` stands.
        figures: names of papers or recipes that its page shows.
    """

    question: str
    module: str
    figures: tuple[str, ...]


STUDIES = {
    "across-break": StudyCommand(
        "What happens to weight mixtures when single-step training breaks?",
        "analyses.breakpoint_mixtures.study",
        ("across_break", "across_break_layers", "across_break_grafts"),
    ),
    "holistic": StudyCommand(
        "Holistic Robust training: robust overfitting, poison, certificates; does it delay the break?",
        "analyses.holistic_robust.study",
        ("holistic_robust",),
    ),
    "local-ball": StudyCommand(
        "Local-ball training (reconstructed): at equal cost, its controls, the radius that averts the break.",
        "analyses.local_ball.study",
        ("local_ball",),
    ),
    "memorisation": StudyCommand(
        "Memorisation and BAT-style training: what atypical samples buy, whom they harm, and flags.",
        "analyses.memorisation.study",
        ("benign_at",),
    ),
}
"""By the word of their command."""


def _run(
    name: str,
    known: StudyCommand,
    scale: Literal["smoke", "digits", "laptop"],
    root: Path,
    out: Path | None,
    jobs: int | None,
    device: Device,
    fresh: bool,
    download: bool = False,
) -> None:
    """Run a study, say its claims, and write its page; arguments as of the command."""
    from figures.catalogue import find_recipes
    from figures.paper_page import study_page

    study = importlib.import_module(known.module).STUDY
    recipes = [recipe for figure in known.figures for recipe in find_recipes(figure)]
    folder = out or root / "analyses" / f"{name}-{scale}"
    with live_runner(root, folder, jobs, device, fresh, download) as runner:
        words = f"cotoolkit analyse {name} --scale {scale}"
        report, findings = study_page(study, recipes, scale, runner, words)
    for question, results in findings.claims.items():
        say(f"{question}:")
        say_claims(results)
    write_page(report, folder)


def _add(name: str, known: StudyCommand) -> None:
    def command(
        scale: StudyScale = "smoke",
        root: Root = Path("runs"),
        out: Out = None,
        jobs: Jobs = None,
        device: Device = "auto",
        fresh: MeasureAgain = False,
        download: Download = False,
    ) -> None:
        _run(name, known, scale, root, out, jobs, device, fresh, download)

    app.command(name, help=f"{known.question} A study, from training to the answer.")(command)


for _name, _known in STUDIES.items():
    _add(_name, _known)


THEORY = StudyCommand(
    "Feature purification in the theory's own world.",
    "analyses.purification.study",
    tuple(
        f"feature_purification/{figure}"
        for figure in (
            "predictions", "coefficients", "robustness_curves", "time_course", "purification_ratios", "low_complexity",
        )
    ),
)  # fmt: skip
"""What `cotoolkit analyse purification` does without networks."""


@app.command()
def purification(
    networks: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CLEAN ROBUST]", help="Two networks; none runs the theory's own world."),
    ] = None,
    dictionary: Annotated[str | None, typer.Option(help="Another robust network, for the test of sparsity.")] = None,
    control: Annotated[str | None, typer.Option(help="The clean network trained on for as long.")] = None,
    scale: StudyScale = "smoke",
    root: Root = Path("runs"),
    out: Out = None,
    jobs: Jobs = None,
    device: Device = "auto",
    fresh: MeasureAgain = False,
    seed: Seed = 0,
) -> None:
    """Feature purification. Without networks: train the theory's world and check its predictions.

    With two: is ROBUST a purification of CLEAN, from which it was trained? Five items, layer by layer.
    """
    if networks:
        compare_with_purification(networks, dictionary, control, root, out, device, seed)
    else:
        _run("purification", THEORY, scale, root, out, jobs, device, fresh)
