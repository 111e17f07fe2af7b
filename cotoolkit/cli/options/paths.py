"""Paths and words that people give to options: what cannot be meant is refused before anything is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from cotoolkit.core.errors import ConfigError


class NoEmptyWords(TyperGroup):
    """The root of the commands. An empty word is a variable of somebody's script that was not set."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of all commands below.

        Raises:
            ConfigError: one of them is empty.
        """
        for before, word in zip(["", *args], args, strict=False):
            option, equals, value = word.partition("=")
            if not word.strip() or (option.startswith("--") and equals and not value.strip()):
                name = option if equals else before if before.startswith("-") else "a word of the command"
                raise ConfigError(f"{name} is empty; leave it out, or say what is meant")
        return super().parse_args(ctx, args)


def a_folder(param: typer.CallbackParam, path: Path | None) -> Path | None:
    """The path of an option, which is a folder or can become one.

    Raises:
        ConfigError: it is a file, or would stand below one.
    """
    _check_parent(param, path)
    if path is not None and path.is_file():
        raise ConfigError(f"{param.opts[0]} {path} is a file; name a folder")
    return path


def a_file(param: typer.CallbackParam, path: Path | None) -> Path | None:
    """The path of an option, which is a file or can become one.

    Raises:
        ConfigError: it is a folder, or would stand below a file.
    """
    _check_parent(param, path)
    if path is not None and path.is_dir():
        raise ConfigError(f"{param.opts[0]} {path} is a folder; name a file")
    return path


def _check_parent(param: typer.CallbackParam, path: Path | None) -> None:
    if path is None:
        return
    try:
        path.exists()
        file = next((parent for parent in path.absolute().parents if parent.is_file()), None)
    except OSError as error:
        raise ConfigError(f"{param.opts[0]} {str(path)[:60]}... cannot be: {error.strerror}") from None
    if file is not None:
        raise ConfigError(f"{param.opts[0]} {path} cannot be: {file} is a file")
