"""Files of every kind give the same table."""

import json

import numpy as np
import pandas as pd
import pytest

from cotoolkit import diagnose_log
from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.diagnosis.logs.reading.read import read_log
from tests._helpers.made_logs import broken_log

MADE = broken_log(
    np.random.default_rng(5), points=1000, rows=30, partial=False, slow=False, early=False, recovers=False
)
TABLE = MADE.table
ROWS = TABLE.to_dict("records")
PARTS = ("clean", "fgsm", "pgd")
HEADER = "Epoch \t Seconds \t LR \t \t Train Loss \t Test Acc \t FGSM Acc \t PGD Acc"


def records(line):
    return "\n".join(line(row) for row in ROWS)


WRITTEN = {
    "log.csv": TABLE.to_csv(index=False),
    "log.tsv": TABLE.to_csv(index=False, sep="\t"),
    "log.jsonl": records(json.dumps),
    "log.json": json.dumps(ROWS),
    "columns.json": json.dumps(TABLE.to_dict("list")),
    "nested.jsonl": records(lambda r: json.dumps({"epoch": r["epoch"], "test": {k: r[k] for k in PARTS}})),
    "output.log": records(
        lambda r: f"Epoch {r['epoch']:.0f}: train_loss 1.2, clean {100 * r['clean']:.2f} fgsm {100 * r['fgsm']:.2f} "
        f"pgd {100 * r['pgd']:.2f}"
    ),
    "stamped.log": records(
        lambda r: f"[2026/01/02 03:04:05] - Epoch [{r['epoch']:.0f}/30] lr=0.1 Clean acc: {100 * r['clean']:.1f}% | "
        f"FGSM acc: {100 * r['fgsm']:.1f}% | PGD-10 acc: {100 * r['pgd']:.1f}%"
    ),
    "header.txt": f"loading data\n[2026/01/02 03:04:05] - {HEADER}\n"
    + records(
        lambda r: f"[2026/01/02 03:04:05] - {r['epoch']:.0f} \t \t 12.5 \t 0.1000 \t 1.2345 \t {r['clean']:.4f} \t \t "
        f"{r['fgsm']:.4f} \t {r['pgd']:.4f}"
    ),
    "blocks.log": records(
        lambda r: f"\n====== Epoch {r['epoch']:.0f} ======\nTraining time: 19.69s\nTraining accuracy: 0.4\n"
        f"Model - Validation accuracy: {r['clean']:.4f}\nModel - FGSM accuracy: {r['fgsm']:.4f}\n"
        f"Model - PGD accuracy: {r['pgd']:.4f}\nWA Model - PGD accuracy: 0.1\n"
        "Best model: model (PGD acc: 0.9, Val acc: 0.9)"
    ),
    "two_lines.log": records(
        lambda r: f"Epoch: {r['epoch']:.0f} train loss: 2.0e-1 train acc: 0.9\n  test: clean_acc={r['clean']:.3f} "
        f"fgsm_acc={r['fgsm']:.3f} pgd_acc={r['pgd']:.3f}"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
def test_every_file_says_the_same(tmp_path, name):
    path = tmp_path / name
    path.write_text(WRITTEN[name])
    found = diagnose_log(path)
    assert found.runs[0].rows == 30
    assert found.runs[0].breakpoints[0].at == MADE.breaks[0]
    assert found.runs[0].best.row.pgd.value == pytest.approx(TABLE["pgd"].max())
    assert found.source == name


def test_parquet(tmp_path):
    TABLE.to_parquet(tmp_path / "log.parquet")
    pd.testing.assert_frame_equal(read_log(tmp_path / "log.parquet").table.reset_index(drop=True), TABLE)


def test_tensorboard_events_of_two_runs(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    for run in ("a", "b"):
        with SummaryWriter(tmp_path / run) as writer:
            for row in ROWS:
                for part in ("clean", "fgsm", "pgd"):
                    writer.add_scalar(f"test/{part}", row[part], int(row["epoch"]))
    found = diagnose_log(tmp_path)
    assert [run.key for run in found.runs] == [{"run": "a"}, {"run": "b"}]
    assert {run.breakpoints[0].at for run in found.runs} == {MADE.breaks[0]}
    (file,) = (tmp_path / "a").iterdir()
    assert diagnose_log(file).runs[0].events == found.runs[0].events


BAD = {
    "empty.csv": ("", "cannot be read as .csv"),
    "header.csv": ("epoch,pgd\n", "no row in it"),
    "broken.jsonl": ('{"epoch": 0}\n{"epoch"', "line 2 is no JSON"),
    "numbers.json": ("[1, 2]", "its records are no objects"),
    "words.log": ("nothing to see\nhere", "no record found: a line `Epoch 3: clean"),
    "broken.parquet": ("no parquet", "cannot be read as .parquet"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_line(tmp_path, name):
    text, message = BAD[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as error:
        diagnose_log(tmp_path / name)
    assert message in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_there(tmp_path):
    with pytest.raises(ConfigError, match="no such log"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match=r"neither metrics.parquet nor a file named events.out.tfevents"):
        read_log(tmp_path)
