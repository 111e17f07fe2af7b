"""Tables in Markdown, as the pages that are written from code hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""A table; bars in cells are escaped.

    >>> print(markdown_table(["a", "b"], [["1", "|2|"]]), end="")
    | a | b |
    | --- | --- |
    | 1 | \|2\| |

    Args:
        head: names of the columns.
        rows: cells in the order of the columns.

    Returns:
        Its lines.
    """
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def plain_cell(text: str) -> str:
    r"""Text as it stands, on one line: only what is between backticks is still markup.

    >>> plain_cell("w * g, see `a*b`")
    'w \\* g, see `a*b`'
    """
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else re.sub(r"([*<])", r"\\\1", part) for part in parts)
