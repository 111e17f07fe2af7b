import pandas as pd

from cotoolkit.runs.tables.table_files import write_table


def test_no_cell_is_a_formula_to_a_spreadsheet(tmp_path):
    texts = ["=1+1", "+A1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\tx", "-1.5", "1e-3", "plain", ""]
    write_table(pd.DataFrame({"text": texts, "number": range(-4, 5)}), tmp_path / "table.csv")
    again = pd.read_csv(tmp_path / "table.csv", dtype={"text": str}, keep_default_na=False)
    assert again["text"].tolist() == [*(f"'{text}" for text in texts[:5]), *texts[5:]]
    assert again["number"].tolist() == list(range(-4, 5))


def test_columns_of_any_name_and_kind_are_written(tmp_path):
    table = pd.DataFrame({0: ["=a", (1, 2)], "b": pd.array([1, None], dtype="Int64"), "c": [True, None]})
    write_table(table, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == '0,b,c\n\'=a,1,True\n"(1, 2)",,\n'
    write_table(table.rename(columns=str), tmp_path / "table.parquet")
    assert pd.read_parquet(tmp_path / "table.parquet")["0"].tolist() == ["=a", "(1, 2)"]
    write_table(table, tmp_path / "table.tex")
    assert "=a & 1 & True" in (tmp_path / "table.tex").read_text()
    for name in ("none.csv", "none.parquet", "none.tex"):
        write_table(pd.DataFrame({"x": []}), tmp_path / name)


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


def test_latex_takes_no_accuracy_for_a_radius(tmp_path):
    table = pd.DataFrame(
        {
            "epsilon": [8 / 255, 0.25],
            "intervention.beta": [10 / 255, 0.0],
            "method.alpha": [None, 2.0],
            "learning_rate": [3e-5, 0.1],
            "pgd-50": [24 / 360, 0.9],  # the first is 17/255, too
            "breakpoint": pd.array([None, 41], "Int64"),
            "keep": [(), (1, 2)],
        }
    )
    write_table(table, tmp_path / "table.tex")
    rows = [line for line in (tmp_path / "table.tex").read_text().splitlines() if "&" in line]
    assert rows[1:] == [
        r"8/255 & 10/255 & -- & 3e-05 & 0.0667 & -- & () \\",
        r"0.25 & 0 & 2 & 0.1 & 0.9000 & 41 & (1,2) \\",
    ]
