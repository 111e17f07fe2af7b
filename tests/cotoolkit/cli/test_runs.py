"""`cotoolkit runs` on many runs."""

from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len
from typer import Abort

from cotoolkit.cli.display import console
from cotoolkit.cli.listing import Column, Listing
from cotoolkit.runs.find import find_run, find_runs
from cotoolkit.runs.tables.run_table import run_table, telling_columns
from cotoolkit.runs.tables.table_files import write_table
from tests._helpers.many_runs import finished_runs


@pytest.fixture
def root(tmp_path):
    finished_runs(tmp_path / "runs", 36)
    return tmp_path / "runs"


def lines(out):
    """Header, and the rows below the rule."""
    header, _, *rows = out.splitlines()
    return header.split(), [row.split() for row in rows]


def test_a_list_shows_what_tells_runs_apart_and_whole_names(cli, root):
    code, out, _ = cli("runs", "list")
    header, rows = lines(out)
    assert code == 0
    assert header == ["run", "method", "ε", "seed", "clean", "PGD-3", "breakpoint", "state", "verdict"]
    assert [row[0] for row in rows] == [run.path.name for run in find_runs(root)]
    broken = next(row for row in rows if row[1:4] == ["fgsm", "16/255", "2"])
    assert broken[4:] == ["90.0%", "1.0%", "102", "(99-105)", "done", "catastrophic", "overfitting"]


def test_filters_and_sorting(cli, root):
    _, rows = lines(cli("runs", "list", "method=fgsm", "epsilon>=4/255", "--sort", "pgd-3")[1])
    assert all("-fgsm-" in row[0] for row in rows)
    shares = [float(cell.removesuffix("%")) for row in rows for cell in row if cell.endswith("%") and cell != "90.0%"]
    assert len(shares) == 9
    assert shares == sorted(shares)
    _, descending = lines(cli("runs", "list", "method=fgsm", "--sort", "pgd-3", "--descending")[1])
    assert len(descending) == 12
    code, out, _ = cli("runs", "list", "seed=77")
    assert (code, out) == (0, "no run in runs matches seed=77\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("list metod=fgsm", "unknown setting 'metod': did you mean method"),
        ("list --sort pdg-3", "did you mean pgd-3"),
        ("list --descending", "--descending goes with --sort NAME"),
        ("list epsilon>=x", "not a number: 'x'"),
        ("export --out a.csv seed=77", "no run matches seed=77"),
        ("compare method=fgsm seed=0 epsilon=2/255", "compare takes at least two runs"),
        ("delete", "say which runs to delete"),
        ("delete seed=0", "give --yes to delete 12 runs without being asked"),
        ("delete nothing", "none of the 36 runs matches 'nothing'"),
    ],
)
def test_bad_words_are_one_line(cli, root, words, message):
    code, _, err = cli("runs", *words.split())
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert len(find_runs(root)) == 36


@pytest.mark.parametrize("width", [40, 60, 80, 100, 300])
def test_a_terminal_gets_what_fits_and_keys_that_commands_take(cli, root, monkeypatch, width):
    monkeypatch.setattr(console, "_force_terminal", True)
    monkeypatch.setattr(console, "_color_system", None)
    monkeypatch.setattr(console, "_width", width)
    header, rows = lines(cli("runs", "list", "epsilon>=4/255")[1])
    printed = cli("runs", "list", "epsilon>=4/255")[1].splitlines()
    left_out = [line for line in printed if line.startswith("left out for want of width: ")]
    assert bool(left_out) == (width < 100)
    assert max(cell_len(line) for line in printed if line not in left_out) <= max(width, 40)
    assert {"run", "verdict"} <= set(header)
    for row in rows[: 27 if not left_out else -1]:
        assert find_run(root, row[0]).path.exists()
        assert len(row[0]) < 12


def test_columns_leave_in_their_order_and_names_are_never_cut():
    columns = [Column("run", ["x" * 50]), Column("a", ["1"], spare=1), Column("b", ["22"], spare=2)]
    fits = {width: [c.header for c in Listing(columns).fitting(width)[0]] for width in (None, 57, 56, 54, 52, 10)}
    assert fits == {
        None: ["run", "a", "b"],
        57: ["run", "a", "b"],
        56: ["run", "a"],
        54: ["run", "a"],
        52: ["run"],
        10: ["run"],
    }


def test_a_damaged_run_is_named_and_the_others_are_listed_and_exported(cli, root):
    first, second, *_ = find_runs(root)
    (first.path / "config.yaml").write_text("a: [")
    (second.path / "result.json").write_text("{}")
    code, out, err = cli("runs", "list")
    assert code == 1
    assert err.count("error: damaged: ") == 2
    assert len([line for line in out.splitlines() if " done " in line]) == 34
    code, out, err = cli("runs", "export", "--out", "some.csv", "--root", str(root))
    assert code == 1
    assert "34 rows: some.csv" in out
    assert err.count("error: damaged: ") == 2


def test_exports_hold_what_run_table_holds_and_latex_what_tells_runs_apart(cli, root):
    assert cli("runs", "export", "--out", "all.parquet")[0] == 0
    direct = run_table(find_runs(root))
    again = pd.read_parquet("all.parquet")
    assert list(again.columns) == list(direct.columns)
    for name in ("run", "epsilon", "breakpoint", "pgd-3", "verdict"):
        assert again[name].equals(direct[name]) or (again[name] == direct[name]).all()
    code, out, err = cli("runs", "export", "--out", "some.tex", "seed=0", "method=[fgsm,n_fgsm]")
    assert code == 0, err
    text = Path("some.tex").read_text()
    assert "8 rows" in out
    assert r"\toprule" in text
    assert r"run & method & epsilon & seed & clean & pgd-3 & breakpoint & verdict \\" in text
    assert r"n\_fgsm & 4/255 & 0 & 0.9 & 0.60 & -- & robust \\" in text
    assert text.count("longtable") == 0
    direct.loc[0, "verdict"] = "100 % & {more}_$"
    write_table(pd.concat([telling_columns(direct)] * 2), root / "long.tex")
    text = (root / "long.tex").read_text()
    assert r"100 \% \& \{more\}\_\$" in text
    assert r"\begin{longtable}" in text


def test_deleting(cli, root):
    busy = next(run for run in find_runs(root) if run.config().seed == 0)
    with busy.lock():
        code, out, err = cli("runs", "delete", "seed=0", "--yes")
    assert code == 1
    assert "another process is training this run" in err
    assert "and 2 more" in out
    assert "deleted 11 runs, " in out
    assert sorted(run.config().seed for run in find_runs(root)) == [0] + [1] * 12 + [2] * 12
    assert len(lines(cli("runs", "list")[1])[1]) == 25
    key = busy.path.name.rpartition("-")[2][:8]
    code, out, _ = cli("runs", "delete", key, "--yes")
    assert (code, "deleted 1 run, " in out) == (0, True)


def test_a_refusal_deletes_nothing(cli, root, monkeypatch):
    asked = []

    def no(text, abort):
        asked.append((text, abort))
        raise Abort

    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("typer.confirm", no)
    code, _, _ = cli("runs", "delete", "seed>=1")
    assert code == 1
    assert asked == [("Delete 24 runs for good?", True)]
    assert len(find_runs(root)) == 36
