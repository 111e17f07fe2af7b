"""Where a study trains, as it is said on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    from cotoolkit.studies.launchers.launcher import Launcher

LauncherName = Annotated[
    Literal["local", "ray", "slurm"],
    typer.Option("--launcher", help="Processes of this machine, tasks of a Ray cluster, or one SLURM array job."),
]
ResourcesText = Annotated[
    str, typer.Option("--resources", metavar="cpus=N,gpus=N", help="What each run takes; gpus=.25 share one GPU.")
]
RayAddress = Annotated[
    str | None, typer.Option(help="Ray cluster to join; by default RAY_ADDRESS, or a new one of this machine.")
]
SlurmParameters = Annotated[
    list[str] | None,
    typer.Option("--slurm", metavar="NAME=VALUE", help="Parameter of submitit, such as partition=gpu; repeatable."),
]
Shard = Annotated[str, typer.Option(metavar="I/N", help="Train the I-th of N shards of the runs alone.")]


def chosen_launcher(
    name: str, jobs: int | None, resources: str, ray_address: str | None, slurm: Sequence[str]
) -> Launcher:
    """The launcher that the options describe.

    Raises:
        ConfigError: an option of another launcher, or one that cannot be read.
    """
    from cotoolkit.studies.launchers.local import LocalProcesses
    from cotoolkit.studies.launchers.ray import RayTasks
    from cotoolkit.studies.launchers.resources import USUAL, Resources
    from cotoolkit.studies.launchers.slurm import SlurmArray

    for option, given, owner in (("--ray-address", ray_address is not None, "ray"), ("--slurm", bool(slurm), "slurm")):
        if given and name != owner:
            raise ConfigError(f"{option} is for --launcher {owner}")
    each = Resources.parse(resources) if resources else USUAL
    if name == "ray":
        return RayTasks(jobs, each, ray_address)
    if name == "slurm":
        return SlurmArray(jobs, each, _parameters(slurm))
    return LocalProcesses(jobs, each)


def _parameters(words: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        name, _, text = word.partition("=")
        if not name or not text or name in found:
            raise ConfigError(f"--slurm {word}: write each as NAME=VALUE, once, for example partition=gpu")
        found[name] = text
        if re.fullmatch(r"\d+(\.\d+)?", text):
            found[name] = float(text) if "." in text else int(text)
    return found
