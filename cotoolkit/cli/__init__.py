"""The command line: parse, call, print. It alone may import `analyses` and `figures`."""

from __future__ import annotations


def main() -> None:
    """Entry point of `cotoolkit`."""
    from cotoolkit.cli.app import main

    main()
