"""The command line: parse, call, print. It alone may import `analyses` and `figures`."""

from cotoolkit.cli.app import app, main

__all__ = ["app", "main"]
