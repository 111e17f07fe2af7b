"""What training scripts print, as a table: a header with rows of numbers below, or names with numbers after them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cotoolkit.core.errors import DataError
from cotoolkit.diagnosis.logs.reading.words import TIMES, words_of

if TYPE_CHECKING:
    import pandas as pd

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf"
MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)"
)
DATE = (
    rf"(?:\d{{4}}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{{4}}|{MONTH}\s+\d\d?(?:,?\s+\d{{4}}(?!:))?|"
    rf"\d\d?\s+{MONTH}(?:\s+\d{{4}}(?!:))?|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?=,?\s+(?:\d|{MONTH}))|[IWEF]\d{{4}}(?=\s))"
)
CLOCK = r"T?\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?(?:\s*[AP]M)?(?:Z|\s?[-+]\d\d:?\d\d)?"
LEVEL = (
    r"(?:DEBUG|INFO|NOTICE|WARNING|WARN|CRITICAL|FATAL|ERROR(?!\s*[:=]?\s*[-+]?\.?\d)|"
    r"(?<=\[)(?i:debug|info|notice|warning|warn|error)(?=\]))"
)
STAMP = rf"(?:{DATE}|{CLOCK}|{LEVEL})(?=T\d|\W|$)"
TIME = rf"(?i:{'|'.join(TIMES)})"
ROW = r"[-+\d.]+(?:/\d+)?%?(?:[\s|,;]+[-+\d.]+%?)+\s*$"
RECORD = rf"(?:{TIME}\W*\d|(?<!\|)(?<!\|\s){TIME}\b|(?i:best)\b|{ROW})"
LOGGER = (
    rf"(?!(?:{TIME}|(?i:best))\b)(?:\d+\s+)?(?:[A-Za-z_][\w.-]*[\s=]+)?(?:[A-Za-z_<][\w.<>/-]*|\d+(?=[\])]))"
    rf"(?::[\w.<>/-]+)*(?:\[\d+\])?(?:\s+-\s+|\s*[|:\])]\s*)(?=\W*{STAMP}|[^\w|]*{RECORD})"
)
"""Names of a logger, a host, a process or a line of code: they stand before a stamp or the record."""

FIELD = r"(?:ts|time|timestamp|level|lvl|severity|logger|caller|msg)=(?:\"[^\"]*\"|\S+)(?=\s+[\w.-]+=)"
"""A field that loggers put before those of the record: `level=info msg="epoch done" epoch=3`."""

PREFIX = re.compile(rf"[^\w.+-]*(?:{FIELD}|{STAMP}|{LOGGER})(?:[\s\]|:,;)]|-+\s)*")
"""One piece of what loggers put before a record."""

GLUED = re.compile(r"^(\W*(?i:ep|epoch|iter|iteration))[_-]?(\d+)(?=[\s:,|\])])")
"""A time without a gap before its number: `ep03 clean 80.1`."""

COLOUR = re.compile(r"\x1b\[[\d;]*m")

AS_PYTHON = re.compile(
    r"(?P<quote>['\"])(?P<name>[^'\"]*)(?P=quote)(?=\s*:)|\b(?:np\.float\d+|tensor)\((?P<value>[^()]*)\)"
)
"""Names and numbers as Python prints them: `{'pgd': np.float64(0.43)}`."""

NAMED = re.compile(
    rf"(?<![A-Za-z])(?P<name>[A-Za-z][\w/@.-]*(?:\s*\([^()]*\)|\s+(?:[-/]\s*)?[A-Za-z][\w/@.-]*){{0,4}}?)"
    rf"\s*(?:[:=]\s*|\s+)[\[(#]?(?P<value>{NUMBER})(?:\s*/\s*(?P<of>[1-9]\d*)(?!\d*\s*/))?(?P<unit>\s*%)?(?![\w.])"
)
"""A name of up to five words, and a number after it: `Epoch [3/30]`, `PGD-10 acc: 43.1%`, `train_loss 1.2`."""

SETTING = re.compile(
    rf"(\b(?:pgd|fgsm|apgd|attack|adv|robust)[\w-]*)[\s(,]+(?:eps(?:ilon)?|alpha|steps?|restarts?)\s*[=:]?\s*"
    rf"(?:{NUMBER})(?:\s*/\s*255)?[\s),]*",
    re.IGNORECASE,
)
"""What an attack was set to, between its name and its accuracy: `PGD-10 eps 8/255 acc: 16.0`."""

PART = re.compile(r"^\W*(train(?:ing)?|test|val(?:id(?:ation)?)?|eval)\w*\s*[:|]\s*(?=[A-Za-z])", re.IGNORECASE)
"""What all numbers of a line are of."""

SUMMARY = re.compile(r"^\W*best\b", re.IGNORECASE)
"""Lines about the best so far repeat the numbers of other lines under other names."""


def printed_table(text: str) -> pd.DataFrame:
    """Read the output of a training script.

    Args:
        text: in which a record is a line of numbers below a header that names them (Wong's fast_adversarial), or
            begins with an epoch, iteration or step and its number, and goes on, over one or more lines, with names and
            numbers.

    Returns:
        One row per record.

    Raises:
        DataError: no record is found.

    >>> printed_table("Epoch 3: train_loss 1.2, clean acc 80.5%, pgd 43.1").to_dict("records")
    [{'Epoch': 3.0, 'train_loss': 1.2, 'clean acc': 80.5, 'pgd': 43.1}]
    """
    import pandas as pd

    lines = [
        AS_PYTHON.sub(r"\g<name>\g<value>", _record(line)) for line in _with_points(COLOUR.sub("", text)).splitlines()
    ]
    below, named = _below_header(lines), _named(lines)
    records = below if len(below) >= len(named) else named
    if not records:
        raise DataError(
            "no record found: a line `Epoch 3: clean 80.1 fgsm 50.2 pgd 43.1` per epoch is read, and rows of numbers "
            "below a header that names them"
        )
    return pd.DataFrame(records)


def _record(line: str) -> str:
    """A line without dates, levels and names of loggers before the record."""
    while found := PREFIX.match(line):
        line = line[found.end() :]
    return GLUED.sub(r"\1 \2", line)


def _with_points(text: str) -> str:
    """Decimal points for decimal commas, where no number has a point."""
    commas = len(re.findall(r"\d,\d+(?![\d,])", text))
    return re.sub(r"(?<=\d),(?=\d)", ".", text) if commas > 1 and not re.search(r"\d\.\d", text) else text


def _without_settings(line: str) -> str:
    """A line without what its attacks were set to."""
    while (shorter := SETTING.sub(r"\1 ", line)) != line:
        line = shorter
    return line


def _below_header(lines: list[str]) -> list[dict[str, float]]:
    """Rows of numbers below a line of as many names; a later header counts from its line on."""
    records, header = [], None
    for line in lines:
        cells = _cells(line)
        if len(cells) >= 3 and any(set(words_of(cell)) & set(TIMES) for cell in cells) and not any(map(_number, cells)):
            header = cells
        elif header and len(numbers := _row(line, len(header))) == len(header):
            records.append(dict(zip(header, numbers, strict=True)))
    return records


def _cells(line: str) -> list[str]:
    """The fields of a line, between tabs, bars, commas, semicolons, or two spaces and more."""
    separator = r"\t" if "\t" in line else r"\||\s{2,}" if re.search(r"\||\S\s{2,}\S", line) else "[,;]"
    return [cell.strip() for cell in re.split(separator, line) if cell.strip()]


def _row(line: str, count: int) -> list[float]:
    """The numbers of a row, if it holds nothing else."""
    cells = _cells(line)
    if len(cells) != count:
        cells = re.sub("[|,;]", " ", line).split()
    if len(cells) != count or not all(map(_number, cells)):
        return []
    return [float(cell.rstrip("% ").partition("/")[0]) for cell in cells]


def _number(cell: str) -> bool:
    return re.fullmatch(rf"(?:{NUMBER})(?:/\d+|\s*%)?", cell, re.IGNORECASE) is not None


def _named(lines: list[str]) -> list[dict[str, float]]:
    """Names with numbers after them; a time with another number begins another record."""
    records: list[dict[str, float]] = []
    before: dict[str, float] = {}
    current = before
    for line in map(_without_settings, lines):
        if SUMMARY.match(line):
            continue
        part = PART.match(line)
        for found in NAMED.finditer(line):
            name, value = re.sub(r"\s+", " ", found["name"]).strip(), float(found["value"])
            if found["of"] and not _is_time(name):
                value *= 100 / float(found["of"])
            if part and not _is_time(name):
                name = f"{part[1]} {name}"
            if _is_time(name):
                name = name.split()[0]
                if current.get(name) != value and not _finer(name, current):
                    current = {}
                    records.append(current)
                current[name] = value
            else:
                current[name] = value
    return [record for record in _ended(records, before) if len(record) > 1]


def _ended(records: list[dict[str, float]], before: dict[str, float]) -> list[dict[str, float]]:
    """The records with their own numbers, also where the time stands below them: `pgd: 43.1`, then `Epoch 3 done`."""
    if not records or not all(map(_is_time, records[-1])) or not any(name in before for name in records[0]):
        return records
    values = [before, *({name: value for name, value in one.items() if not _is_time(name)} for one in records)]
    times = [{name: value for name, value in one.items() if _is_time(name)} for one in records]
    return [{**time, **own} for time, own in zip(times, values[:-1], strict=True)]


def _is_time(name: str) -> bool:
    words = words_of(name)
    return len(words) <= 2 and words[0] in TIMES and all(word in TIMES or word in ("no", "number") for word in words)


def _finer(name: str, current: dict[str, float]) -> bool:
    """Whether a time stands beside that of its record, as the iteration beside the epoch, and was not there yet."""
    return bool(current) and name not in current and all(map(_is_time, current))
