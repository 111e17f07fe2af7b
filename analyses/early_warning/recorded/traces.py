"""One compact file of all recorded runs: every signal at every iteration, every probe, the truth.

The file is a flat Parquet table, a row per run and iteration from 0 on; what is said of a run as a whole (its setting,
configuration, environment and number of iterations) stands in each of its rows, which costs next to nothing. Accuracies
are kept exactly. Other signals are rounded to 11 significant bits, as half precision has, with single precision's
range; a rule's threshold of three digits is coarser.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analyses.early_warning.recorded.recording import PROBED, Recording, Run
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import CotoolkitError, RunError
from cotoolkit.core.files import write_atomically

FORMAT = "1"
"""Version of what is recorded and of the columns; a file of another one is refused."""

FORMAT_KEY = b"bench-alarm traces"
"""Where the file's metadata say its version."""

OF_RUN = ("run", "setting", "config", "environment", "iterations")
"""Columns of a run as a whole: identity; name of its family; configuration and environment as JSON; as configured."""

TRUTH_COLUMNS = ("clean", "fgsm", "pgd")
"""Accuracies of the truth; in the file with `truth_` before the name."""

BITS = 10
"""Bits kept of a signal's mantissa, beside the leading one."""

ROWS = 50_000
"""Rows of a row group, at most, so that a few runs can be read without the rest."""


def rounded_to_bits(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round to the nearest number of `BITS` + 1 significant bits, ties to even; nan and infinity stay.

    Args:
        values: any shape.

    Returns:
        Single precision, whose other bits are 0, so that they cost nothing once compressed.
    """
    drop = np.uint32(23 - BITS)
    bits = values.astype(np.float32).view(np.uint32)
    half = (np.uint32(1) << (drop - np.uint32(1))) - np.uint32(1)
    up = (bits + half + ((bits >> drop) & np.uint32(1))) >> drop << drop
    return np.where(np.isfinite(values), up, bits).astype(np.uint32).view(np.float32)


def write_traces(runs: Iterable[Run], path: Path) -> None:
    """Write recorded runs as one file, in the order of their settings and seeds.

    Args:
        runs: each once.
        path: of the file.
    """
    ordered = sorted(runs, key=lambda run: (run.setting, run.seed, run.config.identity))
    frame = pd.concat([_rows(run) for run in ordered], ignore_index=True)
    exact = [name for name in frame.columns if _is_exact(name)]
    signals = [name for name in frame.columns if name not in exact and name not in (*OF_RUN, "iteration")]
    frame[signals] = frame[signals].apply(lambda column: rounded_to_bits(column.to_numpy(dtype=float)))
    frame = frame[[*OF_RUN, "iteration", *sorted(signals), *sorted(exact)]]
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata({FORMAT_KEY: FORMAT})
    encodings = {"iteration": "DELTA_BINARY_PACKED"} | dict.fromkeys(signals, "BYTE_STREAM_SPLIT")
    buffer = BytesIO()
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        compression_level=12,
        use_dictionary=[*OF_RUN, *exact],
        column_encoding=encodings,
        row_group_size=ROWS,
        write_statistics=["run", "setting", "iteration"],
    )
    write_atomically(path, buffer.getvalue())


def read_traces(path: Path) -> list[Run]:
    """The runs of a file of `write_traces`, filed by their truth.

    Raises:
        RunError: it cannot be read, is no file of traces, or one of another version.
    """
    try:
        table = pq.read_table(path)
        version = (table.schema.metadata or {}).get(FORMAT_KEY, b"none").decode()
        if version != FORMAT:
            raise RunError(f"{path}: traces of format {version}, and this version reads {FORMAT}; record them again")
        frame = table.to_pandas(strings_to_categorical=True)
        return [_run(rows) for _, rows in frame.groupby("run", sort=False, observed=True)]
    except RunError:
        raise
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException, CotoolkitError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise RunError(f"{path}: cannot be read as traces ({reason}); give a file that bench-alarm wrote") from None


def merged(parts: Sequence[Sequence[Run]]) -> list[Run]:
    """The runs of several files; of those with the same configuration the first one stays."""
    found: dict[str, Run] = {}
    for part in parts:
        for run in part:
            found.setdefault(run.config.identity, run)
    return list(found.values())


def _is_exact(column: str) -> bool:
    before, _, name = column.partition("_")
    return before in ("probe", "first", "truth") and name in PROBED


def _rows(run: Run) -> pd.DataFrame:
    truth = run.recording.truth.rename(columns={name: f"truth_{name}" for name in TRUTH_COLUMNS})
    rows = run.recording.trace.merge(truth, on="iteration", how="outer").sort_values("iteration")
    of_run = {
        "run": run.config.identity,
        "setting": run.setting,
        "config": json.dumps(run.config.to_data(), sort_keys=True),
        "environment": json.dumps(dict(run.environment), sort_keys=True),
    }
    return rows.assign(iterations=run.recording.iterations, **of_run)


def _run(rows: pd.DataFrame) -> Run:
    _, setting, config, environment, iterations = (rows[name].iloc[0] for name in OF_RUN)
    kept = [f"truth_{name}" for name in TRUTH_COLUMNS]
    truth = rows.loc[rows[kept[0]].notna(), ["iteration", *kept]]
    truth = truth.set_axis(["iteration", *TRUTH_COLUMNS], axis=1).reset_index(drop=True)
    trace = rows.loc[rows["iteration"] > 0].drop(columns=[*OF_RUN, *kept]).reset_index(drop=True)
    trace = trace.astype(dict.fromkeys(trace.columns.drop("iteration"), float))
    recording = Recording(trace, truth, int(iterations))
    return Run.judged(str(setting), RunConfig.parse(json.loads(config)), recording, json.loads(environment))
