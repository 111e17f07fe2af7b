"""Wrong inputs of the campaign: words and files that no command can make sense of, each to be refused in one line."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from campaign_words import AT_A_KEY, FIELDS, KEYS, NEEDED, OPTIONS, TEXTS, WORDS
from typer.testing import CliRunner

from cotoolkit.cli.app import app
from cotoolkit.cli.display import printable
from cotoolkit.core.errors import CotoolkitError
from cotoolkit.studies.study import Study
from cotoolkit.training.trainer import Trainer


class Accepted(BaseException):
    """Training would begin now."""


def attempts(folder: Path, draws: random.Random, count: int) -> Iterator[tuple[str, str]]:
    """Give the commands wrong inputs.

    Args:
        folder: where they work.
        draws: which inputs.
        count: inputs; all of them at most.

    Yields:
        The command, and what it did other than refuse in one line, if anything.
    """
    (folder / "work").mkdir(parents=True)
    every = list(inputs(folder))
    before = Path.cwd()
    os.chdir(folder / "work")
    try:
        for words in draws.sample(every, min(count, len(every))):
            shown = " ".join(words).replace(str(folder), "")
            yield shown[:200], refused(words)
            outside = {path.name for path in folder.iterdir()} - {"work", "files"}
            if outside:
                yield shown[:200], f"wrote {outside} outside its folder"
    finally:
        os.chdir(before)


def inputs(folder: Path) -> Iterator[list[str]]:
    """Every wrong input, as the words of a command."""
    for values, fields in FIELDS.items():
        for field, value in itertools.product(fields, values):
            if not lawful(field, value):
                yield ["train", *NEEDED.get(field, []), f"{field}={value}"]
    for values, fields in FIELDS.items():
        for field, value in itertools.product(fields, values):
            if not lawful(field, value) and not set(value) & set("[{,"):
                yield ["study", "run", *NEEDED.get(field, []), f"{field}=[{value},{value}]"]
    yield from ([command, *words.split()] for command in ("train",) for words in WORDS)
    for command, option, values in OPTIONS:
        yield from ([*command.split(), option, value] for value in values)
    yield from ([*command.split(), key] for command, key in itertools.product(AT_A_KEY, KEYS))
    files = folder / "files"
    files.mkdir()
    for number, text in enumerate(TEXTS):
        path = files / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        yield ["train", "--config", str(path), "no_such_field=1"]
        yield ["study", "run", "--file", str(path), "no_such_field=1"]
        yield ["diagnose", str(path)]


def lawful(field: str, value: str) -> bool:
    """Whether a value of the lists means something for a field after all."""
    listed = {"schedule.milestones": ("[]", "[0.1,0.2]", "(0.1,0.2)"), "keep": ("[]",), "evaluation": ("[]",)}
    if field == "seed" and value == "..":
        return False
    if field in ("intervention", "normalise") and value == "none":
        return True
    return value in listed.get(field, ())


def refused(words: list[str]) -> str:
    """Give one input; empty if it was refused in one line, else what happened."""

    def begin(*_: object, **__: object) -> None:
        raise Accepted

    def begin_study(study: Study, *_: object, **__: object) -> None:
        for config in study.runs():
            Trainer(config, device="cpu")
        raise Accepted

    with (
        mock.patch.object(Trainer, "fit", begin),
        mock.patch.object(Study, "run", begin_study),
        mock.patch("figures.make.make", begin),
    ):
        try:
            result = CliRunner().invoke(app, words)
        except Accepted:
            return "accepted"
        except BaseException as failure:
            return f"{type(failure).__name__}: {failure}"[:300]
    found = result.exception
    if isinstance(found, Accepted):
        return "accepted"
    if isinstance(found, CotoolkitError | OSError):
        text = printable(str(found))
        return f"more than a line: {text[:200]}" if len(text) > 1000 else ""
    if found is not None and not isinstance(found, SystemExit):
        return f"{type(found).__name__}: {found}"[:300]
    return "" if result.exit_code else "accepted"
