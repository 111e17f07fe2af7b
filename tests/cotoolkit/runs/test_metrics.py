from cotoolkit.runs.metrics import Metrics

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
    again = Metrics.up_to(metrics().table().to_pandas(), 1)
    assert again.table().to_pandas()["value"].tolist() == [1, 4]
    again.add(2, {"a": 6.0})
    assert again.series("a")[1].tolist() == [1, 6]
