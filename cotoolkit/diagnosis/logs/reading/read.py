"""A log as a table: delimited text, Parquet, JSON, TensorBoard's events, cotoolkit's runs, or what a script printed."""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cotoolkit.core.errors import ConfigError, DataError, RunError
from cotoolkit.diagnosis.logs.reading.delimited import delimited_table
from cotoolkit.diagnosis.logs.reading.folders import EVENTS, event_table, folder_table
from cotoolkit.diagnosis.logs.reading.json_records import json_table, looks_like_json
from cotoolkit.diagnosis.logs.reading.printed import printed_table

if TYPE_CHECKING:
    import pandas as pd

DELIMITED = (".csv", ".tsv", ".tab")
JSON = (".jsonl", ".ndjson", ".json")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ReadLog(NamedTuple):
    """A log that was read.

    Attributes:
        table: one row per record, columns as the log names them; the index tells where in the log a record is.
        notes: what was left out.
    """

    table: pd.DataFrame
    notes: list[str]


def read_log(path: Path | str) -> ReadLog:
    """Read a log, whatever it is.

    Args:
        path: .csv, .tsv, .jsonl or .json, also with .gz; .parquet; an event file of TensorBoard or a folder with some,
            each folder of events a run; the folder of a run of cotoolkit, or of several; any other file is text, one
            record per epoch, or JSON.

    Returns:
        The table, and what was left out.

    Raises:
        ConfigError: nothing there, or TensorBoard's package is needed and not installed.
        DataError: not to be read, or without a row.
    """
    import pandas as pd

    path = Path(path)
    if not path.exists():
        raise ConfigError(f"{path}: no such log; name a file, or a folder of TensorBoard events or of a run")
    suffix = Path(path.stem if path.suffix.lower() == ".gz" else path).suffix.lower()
    notes: list[str] = []
    try:
        if path.is_dir():
            table = folder_table(path)
        elif path.name.startswith(EVENTS):
            table = event_table(path)
        elif suffix == ".parquet":
            table = pd.read_parquet(path)
            if any(name is not None for name in table.index.names):
                table = table.reset_index()
        else:
            table, notes = _text_table(_text(path), suffix)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except (ValueError, OSError, EOFError, zlib.error, csv.Error, RunError, pd.errors.ParserError) as error:
        if isinstance(error, ConfigError):
            raise
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise DataError(f"{path}: cannot be read as {suffix or 'text'}: {first[0]}") from None
    if table.empty:
        raise DataError(f"{path}: no row in it; it needs one per epoch or iteration")
    table.columns = [str(name).strip() for name in table.columns]
    if table.index.inferred_type != "string":
        table.index = pd.Index([f"record {number}" for number in range(1, len(table) + 1)])
    return ReadLog(table, notes)


def _text(path: Path) -> str:
    """What a file says; only names of columns may suffer from letters in another encoding."""
    content = path.read_bytes()
    if path.suffix.lower() == ".gz" and content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    content = content.rstrip(b"\0") if not content.startswith(UTF_16) else content  # what a crash may leave
    if not content.startswith(UTF_16) and b"\0" in content:
        raise ValueError("no text; a table may be .csv, .parquet, .json or .jsonl, and a folder one of TensorBoard's")
    return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig", errors="replace")


def _text_table(text: str, suffix: str) -> tuple[pd.DataFrame, list[str]]:
    if suffix in DELIMITED:
        return delimited_table(text)
    if suffix in JSON or looks_like_json(text):
        return json_table(text)
    try:
        return printed_table(text), []
    except DataError:
        with contextlib.suppress(ValueError):
            table, notes = delimited_table(text)
            if len(table) > 1 and len(table.select_dtypes("number").columns) > 1:
                return table, notes
        raise
