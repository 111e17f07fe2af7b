import pandas as pd

from cotoolkit.runs.tables import metric_table, run_table, write_table


def test_a_table_of_no_runs_is_a_table():
    assert run_table([]).empty
    assert list(metric_table([]).columns) == ["run", "iteration", "signal", "value"]


def test_no_cell_is_a_formula_to_a_spreadsheet(tmp_path):
    texts = ["=1+1", "+A1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\tx", "-1.5", "1e-3", "plain", ""]
    write_table(pd.DataFrame({"text": texts, "number": range(-4, 5)}), tmp_path / "table.csv")
    again = pd.read_csv(tmp_path / "table.csv", dtype={"text": str}, keep_default_na=False)
    assert again["text"].tolist() == [*(f"'{text}" for text in texts[:5]), *texts[5:]]
    assert again["number"].tolist() == list(range(-4, 5))


def test_parquet_holds_columns_whose_values_are_of_several_kinds(tmp_path):
    table = pd.DataFrame(
        {
            "method.start": ["bernoulli", 0.5, None],  # a word of one method, a number of another
            "method.clip": [True, 2.0, None],
            "numbers": pd.Series([1, 2.5, None], dtype=object),
            "lists": [(1, 2), None, "all"],
            "whole": pd.array([1, None, 2], "Int64"),
        }
    )
    write_table(table, tmp_path / "t.parquet")
    read = pd.read_parquet(tmp_path / "t.parquet")
    assert read["method.start"].dropna().tolist() == ["bernoulli", "0.5"]
    assert read["method.clip"].dropna().tolist() == ["True", "2.0"]
    assert read["numbers"].dropna().tolist() == [1.0, 2.5]
    assert read["lists"].dropna().tolist() == ["(1, 2)", "all"]
    assert read["whole"].dropna().tolist() == [1, 2]
    assert read.isna().sum().tolist() == [1, 1, 1, 1, 1]
    write_table(table[:0], tmp_path / "none.parquet")
    assert list(pd.read_parquet(tmp_path / "none.parquet")) == list(table)
