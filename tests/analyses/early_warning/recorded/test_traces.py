import math
import struct

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from analyses.early_warning.recorded.recording import Run
from analyses.early_warning.recorded.traces import BITS, merged, read_traces, rounded_to_bits, write_traces
from analyses.early_warning.scoring.simulation import watch
from cotoolkit.core.errors import RunError
from tests._helpers.made_recordings import breaks_at, recording, run, surge


def made_runs():
    return [
        run("breaks", seed, breaks_at(at), abnormal_example=surge(at, seed=seed), train_loss=surge(0, seed=seed + 9))
        for seed, at in enumerate((120, 150))
    ] + [run("healthy", 2, 32 / 160, train_loss=surge(0))]


def slowly_rounded(value):
    """To `BITS` + 1 significant bits, ties to even, by arithmetic on exact fractions."""
    if value == 0 or not math.isfinite(value):
        return value
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 2 ** (BITS + 1)), exponent - BITS - 1)


def test_rounding_is_to_the_nearest_number_of_so_many_bits():
    draws = np.random.default_rng(0)
    values = np.float32(draws.normal(size=500) * 10.0 ** draws.integers(-20, 20, 500)).astype(float)
    ties = np.array([1 + 2.0**-11, 1 + 3 * 2.0**-11, -1 - 2.0**-11, 0.0, math.inf, -math.inf])
    every = np.concatenate([values, ties])
    assert rounded_to_bits(every).tolist() == [slowly_rounded(value) for value in every.tolist()]
    assert math.isnan(rounded_to_bits(np.array([math.nan]))[0])
    low = struct.unpack("<I", struct.pack("<f", rounded_to_bits(np.array([math.pi]))[0]))[0]
    assert low % 2 ** (23 - BITS) == 0


def test_runs_are_read_back_as_they_were_written(tmp_path):
    runs = made_runs()
    write_traces(reversed(runs), tmp_path / "traces.parquet")
    found = read_traces(tmp_path / "traces.parquet")
    assert [(one.setting, one.seed, one.environment) for one in found] == [
        (one.setting, one.seed, one.environment) for one in runs
    ]
    for one, other in zip(found, runs, strict=True):
        assert (one.config, one.truth, one.recording.iterations) == (other.config, other.truth, 300)
        pd.testing.assert_frame_equal(one.recording.truth, other.recording.truth)  # accuracies are exact
        kept = other.recording.trace.columns
        probes = [name for name in kept if name.startswith(("probe_", "first_"))]
        pd.testing.assert_frame_equal(one.recording.trace[probes], other.recording.trace[probes])
        pd.testing.assert_frame_equal(one.recording.trace[kept], other.recording.trace[kept], rtol=2.0**-11)
        assert watch(one) == watch(other)


def test_written_again_the_file_has_the_same_bytes(tmp_path):
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write_traces(made_runs(), first)
    write_traces(read_traces(first), second)
    assert first.read_bytes() == second.read_bytes()


def test_a_value_of_a_signal_costs_about_two_bytes_and_little_else(tmp_path):
    runs = [run("one", seed, breaks_at(1500), iterations=2000, noise=surge(9999, seed=seed)) for seed in range(4)]
    write_traces(runs, tmp_path / "traces.parquet")
    assert (tmp_path / "traces.parquet").stat().st_size < 8000 * 2.2 + 20_000
    group = pq.read_metadata(tmp_path / "traces.parquet").row_group(0)
    sizes = {group.column(i).path_in_schema: group.column(i).total_compressed_size for i in range(group.num_columns)}
    assert sizes["noise"] < 8000 * 2.2
    assert sizes["config"] < 3000


def test_a_run_that_diverged_at_once_is_read_back(tmp_path):
    found = recording(0.5, ended=1)
    trace = found.trace.assign(probe_pgd=math.nan, train_loss=math.inf)
    one = Run.judged("diverged", run().config, found._replace(trace=trace, truth=found.truth[:1]), {})
    write_traces([one], tmp_path / "traces.parquet")
    (back,) = read_traces(tmp_path / "traces.parquet")
    assert (back.truth.kind, back.recording.trace["train_loss"].tolist()) == ("diverged", [math.inf])
    assert watch(back).confirmed == []


def test_of_two_recordings_of_a_configuration_the_first_stays():
    mine, other = run("one", 0), run("one", 0, 0.4)
    assert merged([[mine], [other, run("one", 1)]])[0] is mine
    assert [one.seed for one in merged([[mine], [other, run("one", 1)]])] == [0, 1]


def test_what_are_no_traces_is_one_line(tmp_path):
    with pytest.raises(RunError, match=r"^[^\n]*missing.parquet: cannot be read as traces[^\n]*$"):
        read_traces(tmp_path / "missing.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(RunError, match=r"^[^\n]*text.parquet: cannot be read as traces[^\n]*$"):
        read_traces(tmp_path / "text.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(RunError, match=r"other\.parquet: traces of format none, and this version reads 1"):
        read_traces(tmp_path / "other.parquet")
    write_traces(made_runs()[:1], tmp_path / "good.parquet")
    table = pq.read_table(tmp_path / "good.parquet")
    pq.write_table(table.drop_columns(["setting"]), tmp_path / "less.parquet")
    with pytest.raises(RunError, match=r"^[^\n]*less.parquet: cannot be read as traces \(it lacks 'setting'\)[^\n]*$"):
        read_traces(tmp_path / "less.parquet")
