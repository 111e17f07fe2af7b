"""`cotoolkit bench-diagnosis`: how good the diagnosis is, measured on networks with a known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analyses.core.progress import counting_bar
from cotoolkit.cli.display import say
from cotoolkit.cli.options.paths import a_folder
from cotoolkit.cli.training import Jobs
from cotoolkit.core.errors import ConfigError


def bench_diagnosis(
    out: Annotated[Path, typer.Option(callback=a_folder, help="Folder of runs, records, tables and page.")] = Path(
        "bench-diagnosis"
    ),
    only: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Networks whose name has this in it; may be repeated.")
    ] = None,
    jobs: Jobs = None,
    kept: Annotated[bool, typer.Option("--kept", help="Show the results that are kept with the code.")] = False,
) -> None:
    """How good is the diagnosis? Trains a zoo, attacks it with AutoAttack, diagnoses it, scores. Half an hour.

    Networks and records that are there are not made again; the verdict is always today's on what was measured. Needs
    cotoolkit[eval], and the data sets Fashion-MNIST and CIFAR-10 for some of the networks.
    """
    from analyses.diagnosis_zoo.examination import examine_all
    from analyses.diagnosis_zoo.page import zoo_report
    from analyses.diagnosis_zoo.plan import ZOO
    from analyses.diagnosis_zoo.records import read_results, write_results
    from cotoolkit.diagnosis.measuring.autoattack import check_installed
    from cotoolkit.pages import write_report
    from cotoolkit.studies.launchers.local import default_jobs

    if kept:
        zoo = read_results()
    else:
        check_installed()
        chosen = [one for one in ZOO if not only or any(text in one.name for text in only)]
        if not chosen:
            raise ConfigError(f"--only {' '.join(only or [])}: no network has that in its name")
        with counting_bar("examining", len(chosen)) as report:
            zoo = examine_all(chosen, out, jobs=jobs or default_jobs("cpu"), report=report)
        write_results(zoo, out / "zoo.json")
    found = zoo_report(zoo)
    page = write_report(found, out)
    say(found.lead)
    say(f"page:   {page}")
    say(f"tables: {out}")
