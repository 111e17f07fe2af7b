"""The `cotoolkit` command: its groups, and how errors become one line and an exit code.

Further commands are plug-ins: entry points of the group `cotoolkit.commands`, each a typer group or a function.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points, version
from typing import Annotated

import typer

from cotoolkit.cli.catalogue import datasets, interventions, methods, models
from cotoolkit.cli.diagnose import diagnose
from cotoolkit.cli.display import say, say_error
from cotoolkit.cli.report import report
from cotoolkit.cli.runs import app as runs_app
from cotoolkit.cli.training import demo, study_app, train
from cotoolkit.core.errors import CotoolkitError

app = typer.Typer(
    name="cotoolkit",
    help="Induce, date and explain catastrophic overfitting in single-step adversarial training.",
    epilog="Start with `cotoolkit demo`. Settings are written field=value; radii as 0.03 or 8/255. "
    "Exit codes: 0 done, 1 something failed, 2 bad input.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _say_version(asked: bool) -> None:
    if asked:
        say(version("cotoolkit"))
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Options of the command itself."""


app.command()(demo)
app.command()(train)
app.command()(diagnose)
app.add_typer(study_app, name="study")
app.add_typer(runs_app, name="runs")
app.command()(report)
app.command()(methods)
app.add_typer(interventions, name="interventions")
app.command()(datasets)
app.command()(models)

for plugin in sorted(entry_points(group="cotoolkit.commands"), key=lambda one: one.name):
    command = plugin.load()
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=plugin.name)
    else:
        app.command(plugin.name)(command)


def main() -> None:
    """Entry point: run the command; what the user can mend is one line on stderr and exit code 2."""
    try:
        app()
    except CotoolkitError as error:
        say_error(str(error))
        sys.exit(2)
    except OSError as error:
        say_error(str(error))
        sys.exit(1)
