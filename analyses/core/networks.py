"""Checkpoints of runs as networks to compare, with the roles they play in the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd
from torch import nn

from cotoolkit.config import RunConfig
from cotoolkit.core.digest import split_stamp, stamped
from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.models.initial_weights import load_initial
from cotoolkit.runs.checkpoints import trained, trained_series, untrained
from cotoolkit.runs.environment import environment
from cotoolkit.runs.find import find_checkpoint, find_run
from cotoolkit.runs.folder import Checkpoint, CheckpointName, RunFolder


class Compared(NamedTuple):
    """Networks of one architecture.

    Attributes:
        models: in evaluation mode, by name, in the order given.
        start: name of the untrained network, if all of them go back to it; else None.
        clean: name of the clean reference.
        robust: name of the robust reference.
        config: of the run of the robust reference, whose test points and threat model serve for all.
        device: where the networks are.
    """

    models: dict[str, nn.Module]
    start: str | None
    clean: str
    robust: str
    config: RunConfig
    device: str


def compare_runs(
    root: Path | str,
    words: Sequence[str],
    clean: str | None = None,
    robust: str | None = None,
    device: str = "cpu",
) -> Compared:
    """Networks for a comparison, from words as people give them on the command line.

    A word is RUN or RUN:CHECKPOINT, with RUN the start of a run's folder name or identity, or a path, and CHECKPOINT
    one of last, best, before_break, after_break, averaged (if its method averages weights), or a kept iteration; last
    if none is said. One RUN alone stands for all the checkpoints of its training, and its references are after_break
    (clean: the mixed one) and before_break (robust).

    Args:
        root: folder of runs.
        words: which networks.
        clean: the word of the clean reference; None means the first one.
        robust: the word of the robust reference; None means the last one.
        device: where to put the networks.

    Raises:
        ConfigError: fewer than two networks, or references among which there is no choice.
        RunError: no such run or checkpoint, or weights that a run was trained from have changed.
    """
    words = list(dict.fromkeys([*words, *(word for word in (clean, robust) if word is not None)]))
    if len(words) == 1 and ":" not in words[0]:
        return _series(find_run(root, words[0]), device)
    if len(words) < 2:
        raise ConfigError("give at least two networks to compare, RUN or RUN:CHECKPOINT; or one RUN with a breakpoint")
    found = {word: find_checkpoint(root, word) for word in words}
    configs = [folder.config() for folder, _ in found.values()]
    names = _names([(config, checkpoint) for config, (_, checkpoint) in zip(configs, found.values(), strict=True)])
    models = {name: trained(*place, device) for name, place in zip(names, found.values(), strict=True)}
    by_word = dict(zip(words, names, strict=True))
    roles = by_word[clean or words[0]], by_word[robust or words[-1]]
    if roles[0] == roles[1]:
        raise ConfigError(f"{clean or words[0]} cannot be both the clean and the robust reference")
    config = found[robust or words[-1]][0].config()
    origins = [_origin(one) for one in configs]
    start = None
    if len({(c.model, c.statistics, c.seed, c.initial, c.input_layer) for c in origins}) == 1:
        start, models = "start", {"start": _start(origins[0], device), **models}
    return Compared(models, start, *roles, config, device)


def named_networks(models: Any) -> dict[str, nn.Module]:
    """Networks by name, as tables of several networks take them.

    Raises:
        ConfigError: no mapping from names, or none in it.
    """
    hint = 'give the networks by name: {"clean": clean, "robust": robust}'
    if not isinstance(models, Mapping):
        raise ConfigError(f"models are a {type(models).__name__}; {hint}")
    if not models or not all(isinstance(name, str) for name in models):
        raise ConfigError(f"models: {'not all keys are names' if models else 'there are none'}; {hint}")
    return dict(models)


def facts(compared: Compared, seed: int) -> dict[str, str]:
    """What the numbers of a comparison need to be trusted, for its report."""
    config = compared.config
    return {
        "networks": ", ".join(compared.models),
        "data": f"{config.data.name}, test set, intervention: {config.intervention or 'none'}",
        "threat model": f"{config.norm}, epsilon {config.epsilon:.4g}, box {config.box}",
        "seed": str(seed),
        **{name: str(value) for name, value in environment(compared.device).items()},
    }


def by_model(table: pd.DataFrame, statistics: Sequence[str]) -> pd.DataFrame:
    """A tidy table as a row per model and a column per statistic that it has, means over layers."""
    chosen = table[table["statistic"].isin(statistics)]
    wide = chosen.pivot_table(index="model", columns="statistic", values="value", sort=False)
    return wide[[name for name in statistics if name in wide]].reset_index()


def _series(folder: RunFolder, device: str) -> Compared:
    """All checkpoints of a run in order of their iterations, from its start on."""
    config = folder.config()
    named = [name for name in get_args(CheckpointName) if folder.checkpoint_path(name).exists()]
    if not {"before_break", "after_break"} <= set(named):
        raise ConfigError(f"{folder.path.name} did not break; name the networks to compare, RUN:CHECKPOINT")
    places: list[Checkpoint] = sorted([*named, *folder.kept()], key=folder.checkpoint_iteration)
    shown = [place for place in places if place != 0 or config.initial is not None]
    networks = zip(map(str, shown), trained_series(folder, shown, device), strict=True)
    models = {"start": _start(_origin(config), device), **dict(networks)}
    return Compared(models, "start", "after_break", "before_break", config, device)


def _origin(config: RunConfig) -> RunConfig:
    """The run whose start a run goes back to: training may have begun from another run's checkpoint, and so on."""
    if config.initial is None:
        return config
    path, digest = split_stamp(config.initial)
    folder = RunFolder(path.parent.parent)
    if path.parent.name != "checkpoints" or not (folder.path / "config.yaml").exists():
        return config
    if stamped(str(path), "weights") != f"{path.resolve()}#{digest}":
        raise RunError(f"{path}: has changed since a run was trained from it; its start is lost")
    return _origin(folder.config())


def _start(config: RunConfig, device: str) -> nn.Module:
    model = untrained(config)
    if config.initial is not None:
        load_initial(model, config.initial)
    return model.to(device)


def _names(networks: Sequence[tuple[RunConfig, Checkpoint]]) -> list[str]:
    """METHOD:CHECKPOINT, with the start of the run's identity where that would not tell them apart."""
    short = [f"{config.method.name}:{checkpoint}" for config, checkpoint in networks]
    return [
        name if short.count(name) == 1 else f"{name} {config.identity[:6]}"
        for name, (config, _) in zip(short, networks, strict=True)
    ]
