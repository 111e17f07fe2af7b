from cotoolkit.runs.tables.run_table import metric_table, run_table


def test_a_table_of_no_runs_is_a_table():
    assert run_table([]).empty
    assert list(metric_table([]).columns) == ["run", "iteration", "signal", "value"]
