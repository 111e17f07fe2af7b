from cotoolkit.runs.find import find_runs
from cotoolkit.runs.tables.run_table import metric_table, run_table
from cotoolkit.training.run import run
from tests._helpers.small import small


def test_a_table_of_no_runs_is_a_table():
    assert run_table([]).empty
    assert list(metric_table([]).columns) == ["run", "iteration", "signal", "value"]


def test_the_folder_that_holds_the_runs_stands_for_all_of_them(tmp_path):
    for seed in range(2):
        run(small(seed=seed), tmp_path, device="cpu")
    for table in (run_table, metric_table):
        assert table(tmp_path).equals(table(find_runs(tmp_path)))
        assert table(str(tmp_path)).equals(table(tmp_path))
    assert len(run_table(tmp_path)) == 2
