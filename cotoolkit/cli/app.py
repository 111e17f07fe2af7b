"""The `cotoolkit` command and its groups.

Further commands are plug-ins: entry points of the group `cotoolkit.commands`, each a typer group or a function.
"""

from __future__ import annotations

from importlib.metadata import entry_points, version
from typing import Annotated

import typer
from typer.main import get_command

from cotoolkit.cli.catalogue import interventions_commands, list_datasets, list_methods, list_models, list_signals
from cotoolkit.cli.diagnose import diagnose_command
from cotoolkit.cli.diagnose_log import diagnose_log_command
from cotoolkit.cli.display import say, say_warning
from cotoolkit.cli.options.paths import NoEmptyWords
from cotoolkit.cli.report import report_command
from cotoolkit.cli.runs import runs_commands
from cotoolkit.cli.training import demo_command, study_commands, train_command
from cotoolkit.core.user_code import describe

PLUGINS = "cotoolkit.commands"
"""Group of the entry points that are commands."""

app = typer.Typer(
    name="cotoolkit",
    cls=NoEmptyWords,
    help="Induce, date and explain catastrophic overfitting in single-step adversarial training.",
    epilog="Start with `cotoolkit demo`. Settings are written field=value; radii as 0.03 or 8/255. "
    "Exit codes: 0 done, 1 something failed, 2 bad input.",
    no_args_is_help=True,
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


def add_plugins(to: typer.Typer) -> None:
    """Add the commands of other packages; one that cannot be loaded is named on stderr, and the others work."""
    for plugin in sorted(entry_points(group=PLUGINS), key=lambda one: one.name):
        try:
            command = plugin.load()
        except Exception as failure:
            say_warning(f"no command {plugin.name}: its plug-in {plugin.value} cannot be loaded: {describe(failure)}")
            continue
        if isinstance(command, typer.Typer):
            to.add_typer(command, name=plugin.name)
        else:
            to.command(plugin.name)(command)


app.command("demo")(demo_command)
app.command("train")(train_command)
app.command("diagnose")(diagnose_command)
app.command("diagnose-log")(diagnose_log_command)
app.add_typer(study_commands, name="study")
app.add_typer(runs_commands, name="runs")
app.command("report")(report_command)
app.command("methods")(list_methods)
app.command("signals")(list_signals)
app.add_typer(interventions_commands, name="interventions")
app.command("datasets")(list_datasets)
app.command("models")(list_models)
add_plugins(app)

cotoolkit_command = get_command(app)
"""All of it, put together once."""
