"""Files of every kind give the same table."""

import gzip
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from cotoolkit import diagnose_log
from cotoolkit.core.errors import DataError
from cotoolkit.diagnosis.logs.reading.printed import printed_table
from cotoolkit.diagnosis.logs.reading.read import read_log
from cotoolkit.runs.metrics import MetricFiles, Metrics
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
    "settings.log": records(
        lambda r: f"Epoch {r['epoch']:.0f}: clean acc = {r['clean']:.3f} | PGD-10 eps 8 steps=10 acc = "
        f"{r['pgd']:.3f} | FGSM (eps=8/255) acc = {r['fgsm']:.3f}"
    ),
    "parts.log": records(
        lambda r: f"Epoch {r['epoch']:.0f}\nTest: clean {r['clean']:.3f} fgsm {r['fgsm']:.3f} pgd {r['pgd']:.3f}\n"
        "Train: clean 0.99 fgsm 0.98 pgd 0.97"
    ),
    "time_below.log": records(
        lambda r: f"clean: {r['clean']:.3f}\nfgsm: {r['fgsm']:.3f}\npgd: {r['pgd']:.3f}\nEpoch {r['epoch']:.0f} done"
    ),
    "counts.log": records(
        lambda r: f"Epoch {r['epoch']:.0f}/30: clean {1000 * r['clean']:.0f}/1000 fgsm {1000 * r['fgsm']:.0f}/1000 "
        f"({100 * r['fgsm']:.1f}%) pgd {1000 * r['pgd']:.0f} / 1000"
    ),
    "commas.log": records(
        lambda r: f"Epoch {r['epoch']:.0f}: clean {100 * r['clean']:.2f} fgsm {100 * r['fgsm']:.2f} pgd "
        f"{100 * r['pgd']:.2f}".replace(".", ",")
    ),
    "commented.csv": "# a run\n#\n" + TABLE.to_csv(index=False),
    "table.txt": TABLE.to_csv(index=False, sep=";", decimal=","),
    "table.log": TABLE.assign(note="a word").to_csv(index=False),
    "args.json": json.dumps({"args": {"eps": 8}, "history": TABLE.to_dict("list")}),
    "settings.jsonl": json.dumps({"config": {"lr": 0.1, "epochs": 30}}) + "\n" + records(json.dumps),
    "lists.jsonl": records(lambda r: json.dumps({**r, "seed": [1], "model": {"name": "resnet"}})),
    "signs.csv": TABLE.assign(**{part: [f"{100 * value:.2f} %" for value in TABLE[part]] for part in PARTS}).to_csv(
        index=False
    ),
    "german.csv": TABLE.to_csv(index=False, sep=";", decimal=","),
    "semicolons.csv": TABLE.to_csv(index=False, sep=";"),
    "tabs.csv": TABLE.to_csv(index=False, sep="\t", decimal=","),
    "blanks.csv": TABLE.to_csv(index=False, sep=" ", lineterminator=" \n"),
    "bars.tsv": TABLE.to_csv(index=False, sep="|"),
    "quoted.csv": TABLE.rename(columns={"clean": "clean; top1"}).to_csv(index=False),
    "of_all.csv": TABLE.assign(epoch=[f"{row}/30" for row in range(30)]).to_csv(index=False),
    "of_all.tsv": TABLE.assign(epoch=[f"Epoch [{row} / 30]" for row in range(30)]).to_csv(index=False, sep="\t"),
    "lines.log": records(json.dumps),
    "whole.txt": json.dumps(ROWS, indent=1),
    "history.json": json.dumps({"model": "resnet", "history": ROWS, "tags": ["a"]}),
    "log_history.json": json.dumps({"best": 0.3, "log_history": ROWS}),
    "columns_within.json": json.dumps({"history": TABLE.to_dict("list")}),
    "by_epoch.json": json.dumps({str(int(r["epoch"])): {part: r[part] for part in PARTS} for r in ROWS}),
    "long.csv": TABLE.melt("epoch", var_name="metric").to_csv(index=False),
    "long.jsonl": TABLE.melt("epoch", var_name="key").sort_values("epoch").to_json(orient="records", lines=True),
    "attacks.csv": TABLE.rename(columns={"clean": "none"})
    .melt("epoch", var_name="attack", value_name="accuracy")
    .to_csv(index=False),
    "data_frame.txt": TABLE.to_string(),
    "r.csv": TABLE.to_csv(index_label=False),
    "dicts.log": records(lambda r: str({name: np.float64(value) for name, value in r.items()})),
    "logrus.log": records(
        lambda r: f'time="2026-01-02 03:04:05" level=info msg="epoch done" epoch={r["epoch"]:.0f} '
        f"clean={r['clean']:.4f} fgsm={r['fgsm']:.4f} pgd={r['pgd']:.4f}"
    ),
    "quotes.log": records(
        lambda r: f"Epoch {r['epoch']:.0f} clean {r['clean']:.4f} fgsm {r['fgsm']:.4f} pgd {r['pgd']:.4f} args: "
        "'--pgd' '8'"
    ),
    "cells_beyond.csv": TABLE.to_csv(index=False, columns=["epoch", *PARTS]).replace("\n", ",12.5\n").replace(
        "pgd,12.5\n", "pgd\n"
    ),
    "cut_off.csv": TABLE.to_csv(index=False) + "\0\0",
    "fields.log": records(
        lambda r: f"ts=2026-01-02T03:04:05Z level=info epoch={r['epoch']:.0f} clean={r['clean']:.4f} "
        f"fgsm={r['fgsm']:.4f} pgd={r['pgd']:.4f}"
    ),
    "glued.log": records(
        lambda r: f"ep{r['epoch']:03.0f} clean {r['clean']:.4f} fgsm {r['fgsm']:.4f} pgd {r['pgd']:.4f}"
    ),
    "wandb.csv": TABLE.rename(columns={"epoch": "Step"})
    .assign(**{f"{part}__{end}": TABLE[part] for part in PARTS for end in ("MIN", "MAX")})
    .to_csv(index=False),
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


def test_cells_beyond_the_header_are_left_out_with_a_note(tmp_path):
    for name, beyond in (("cells_beyond.csv", True), ("log.csv", False)):
        (tmp_path / name).write_text(WRITTEN[name])
        notes = diagnose_log(tmp_path / name).notes
        assert ("cells beyond those that the header names are left out" in notes) == beyond


PREFIXES = [
    "2024-03-01 10:01:00 INFO ",
    "2024-03-01 10:01:00,123 - train - INFO - ",
    "[2024-03-01T10:01:00.5Z][INFO] ",
    "INFO ",
    "INFO:root:",
    "WARNING:cotoolkit.train:",
    "2024-03-01 10:01:00.123 | INFO     | __main__:train:33 - ",
    "I0301 10:01:00.123456 1234 train.py:33] ",
    "Mar  1 10:01:00 node7 train[33]: ",
    "Fri, 01 Mar 2024 10:01:00 +0100 [info] ",
    "03/01/2024 10:01:00 AM - root - ",
    "10:01:00 ",
    "[10:01] [train] ",
    "(pid 33) ",
    "[rank0]: ",
    "\x1b[32m2024-03-01 10:01:00\x1b[0m \x1b[1mINFO\x1b[0m ",
]
RECORDS = [
    "Epoch {at:.0f}: train_loss 1.2, clean {clean:.3f} fgsm {fgsm:.3f} pgd {pgd:.3f}",
    "Epoch [{at:.0f}/30] clean={clean:.3f}, fgsm={fgsm:.3f}, pgd={pgd:.3f}",
    "epoch #{at:.0f} | clean acc: {clean:.3f} | fgsm acc: {fgsm:.3f} | pgd acc: {pgd:.3f}",
    "Iter ({at:.0f}/30) - clean {clean:.3f} - fgsm {fgsm:.3f} - pgd {pgd:.3f}",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("record", RECORDS)
def test_what_loggers_put_in_front_is_passed_over(tmp_path, prefix, record):
    text = records(lambda r: prefix + record.format(at=r["epoch"], **{part: r[part] for part in PARTS}))
    (tmp_path / "train.log").write_text(f"{prefix}loading data\n{text}\n{prefix}Best epoch 3: pgd 0.9")
    found = diagnose_log(tmp_path / "train.log")
    assert found.runs[0].rows == 30
    assert found.runs[0].breakpoints[0].at == MADE.breaks[0]
    assert found.runs[0].best.row.pgd.value == pytest.approx(TABLE["pgd"].max())


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_before_rows_and_their_header(tmp_path, prefix):
    rows = records(lambda r: prefix + f"{r['epoch']:.0f}/30 {r['clean']:.3f} {r['fgsm']:.3f} {r['pgd']:.3f}")
    (tmp_path / "train.log").write_text(f"{prefix}epoch | clean | fgsm | pgd\n{rows}")
    assert diagnose_log(tmp_path / "train.log").runs[0].breakpoints[0].at == MADE.breaks[0]


def test_words_of_a_record_are_no_prefix():
    found = printed_table("Margin 5 Epoch 3: ERROR 0.4 pgd 0.3\nMonitor: 1, Epoch 4: ERROR 0.5 pgd 0.2")
    assert found["Epoch"].tolist() == [3, 4]
    assert found["ERROR"].tolist() == [0.4, 0.5]


def test_long_words_take_no_time():
    assert printed_table("a" * 2000 + "\nEpoch 3: pgd 0.3")["pgd"].tolist() == [0.3]


CUT = {
    "killed.jsonl": (records(json.dumps) + '\n{"epoch": 30, "pg', "line 31, the last one, is cut off and left out"),
    "killed.log": (records(json.dumps) + '\n\n{"epoch"', "line 32, the last one, is cut off and left out"),
    "killed.csv": (TABLE.to_csv(index=False) + "30,0.7,0.", "line 32, the last one, is cut off and left out"),
    "quote.csv": (TABLE.to_csv(index=False) + '30,"0.7', "line 32, the last one, is cut off and left out"),
    "german.csv": (TABLE.to_csv(index=False, sep=";", decimal=",") + "30;0,7;0,", "line 32, the last one"),
}


@pytest.mark.parametrize("name", CUT)
def test_a_last_line_that_is_cut_off_is_left_out_with_a_note(tmp_path, name):
    text, message = CUT[name]
    (tmp_path / name).write_text(text)
    found = diagnose_log(tmp_path / name)
    assert any(message in note for note in found.notes)
    assert (found.runs[0].rows, found.runs[0].breakpoints[0].at) == (30, MADE.breaks[0])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-16-be"])
@pytest.mark.parametrize("name", ["log.csv", "log.jsonl", "output.log", "german.csv"])
def test_byte_order_marks(tmp_path, encoding, name):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / name).write_bytes((mark + WRITTEN[name]).encode(encoding))
    assert diagnose_log(tmp_path / name).runs[0].breakpoints[0].at == MADE.breaks[0]


@pytest.fixture
def run_folder(tmp_path):
    """As cotoolkit leaves it: losses of every iteration, a probe now and then, an evaluation at the end."""
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    metrics = Metrics()
    for row in ROWS:
        for iteration in range(5):
            metrics.add(int(5 * row["epoch"]) + iteration, {"train_loss": 1.0, "train_accuracy": 0.5})
        metrics.add(int(5 * row["epoch"]) + 4, {f"probe_{part}": row[part] for part in PARTS})
    MetricFiles(folder).write(metrics)
    return folder


def test_runs_of_cotoolkit(run_folder):
    at = 5 * MADE.breaks[0] + 4
    for log in (run_folder, run_folder / "metrics.parquet", run_folder.parent, MetricFiles(run_folder).table()):
        (run,) = diagnose_log(log).runs
        assert (run.rows, run.breakpoints[0].at) == (30, at)
    shutil.copytree(run_folder, run_folder.parent / "b")
    assert [run.key for run in diagnose_log(run_folder.parent).runs] == [{"run": "a"}, {"run": "b"}]
    (run_folder / "metrics.parquet").write_bytes(b"damaged")
    with pytest.raises(DataError) as error:
        diagnose_log(run_folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("last", ["pgd-50", "pgd50", "apgd"])
@pytest.mark.parametrize("rows", [1, 30])
def test_loggers_of_cotoolkit(rows, last):
    table = pd.DataFrame({f"cotoolkit/probe_{part}": TABLE[part] for part in PARTS}).assign(step=TABLE["epoch"])
    end = pd.DataFrame({f"cotoolkit/evaluation/{name}": [0.9] for name in ("clean", "fgsm", last)}).assign(step=99)
    found = diagnose_log(pd.concat([end, table.head(rows)]))
    assert [found.columns[part] for part in PARTS] == [f"cotoolkit/probe_{part}" for part in PARTS]


def test_a_zipped_table(tmp_path):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(TABLE.to_csv(index=False).encode()))
    assert diagnose_log(path).runs[0].breakpoints[0].at == MADE.breaks[0]


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
