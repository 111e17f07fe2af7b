import pytest

from cotoolkit.runs import metrics as metrics_module
from cotoolkit.runs.metrics import MetricFiles, Metrics

ROWS = [(1, {"a": 1.0}), (2, {"a": 2.0, "b": 5.0}), (1, {"b": 4.0}), (2, {"a": 3.0})]


def metrics():
    found = Metrics()
    for iteration, values in ROWS:
        found.add(iteration, values)
    return found


def test_the_last_value_of_a_signal_counts():
    assert [part.tolist() for part in metrics().series("a")] == [[1, 2], [1, 3]]
    table = metrics().table().to_pandas()
    expected = [(1, "a", 1.0), (1, "b", 4.0), (2, "b", 5.0), (2, "a", 3.0)]
    assert list(table.itertuples(index=False, name=None)) == expected


def test_rows_beyond_an_iteration_are_dropped():
    again = Metrics.up_to({0: metrics().table().to_pandas()}, 1)
    assert again.table().to_pandas()["value"].tolist() == [1, 4]
    again.add(2, {"a": 6.0})
    assert again.series("a")[1].tolist() == [1, 6]


def test_long_runs_are_written_in_parts_that_cost_no_more_than_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_module, "PART_ROWS", 40)
    files, found, sizes = MetricFiles(tmp_path), Metrics(), []
    expected = {}
    for iteration in range(1, 501):
        values = {"a": float(iteration), "b": -float(iteration)}
        found.add(iteration, values)
        expected |= {(iteration, name): value for name, value in values.items()}
        if iteration % 70 == 0:  # a replay looks back
            found.add(iteration - 30, {"a": 0.5})
            expected[iteration - 30, "a"] = 0.5
        if iteration % 5 == 0:
            files.write(found)
            sizes.append(max(path.stat().st_size for path in files.paths()))
            assert len(found._rows) + len(found._before) < 3 * 40
    table = files.table()
    assert {(i, name): value for i, name, value in table.itertuples(index=False)} == expected
    assert table["iteration"].is_monotonic_increasing
    assert not table.duplicated(["iteration", "signal"]).any()
    assert len(files.paths()) > 20
    assert max(sizes) < 1.2 * max(sizes[:10])
    assert found.series("a")[0][-1] == 500


@pytest.mark.parametrize("iteration", [0, 3, 20, 39, 40, 41, 60, 100])
def test_a_long_run_goes_back_to_any_iteration_at_which_it_was_saved(tmp_path, monkeypatch, iteration):
    monkeypatch.setattr(metrics_module, "PART_ROWS", 40)
    files, found = MetricFiles(tmp_path), Metrics()
    for now in range(1, iteration + 11):
        found.add(now, {"a": float(now), "b": 2.0 * now})
        if now in (iteration, iteration + 10):  # saved, and killed between the metrics and the state
            files.write(found)
    again = Metrics.up_to(files.parts(last=2), iteration)
    for now in range(iteration + 1, iteration + 11):
        again.add(now, {"a": -1.0})
    files.write(again)
    table = files.table()
    assert len(table) == 2 * iteration + 10
    assert (table.loc[table["iteration"] > iteration, "value"] == -1).all()


def test_rows_after_an_iteration_are_removed_from_every_part(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_module, "PART_ROWS", 4)
    files, metrics = MetricFiles(tmp_path), Metrics()
    for iteration in range(1, 13):
        metrics.add(iteration, {"a": float(iteration)})
        files.write(metrics)
    assert len(files.paths()) == 3
    files.forget_after(6)
    assert files.table()["iteration"].tolist() == [1, 2, 3, 4, 5, 6]
    # They can be added to again, across parts that are empty now.
    metrics = Metrics.up_to(files.parts(last=2), 6)
    metrics.add(7, {"a": 70.0})
    files.write(metrics)
    assert files.table()["value"].tolist() == [1, 2, 3, 4, 5, 6, 70]
    files.forget_after(100)
    assert len(files.table()) == 7
