"""The command line: parse, call, print.

The commands of `analyses` and `figures` are plug-ins, see `cotoolkit.cli.app`.
"""

from __future__ import annotations

import errno
import sys

BAD_PATHS = {errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR}
"""Errors of the system that are bad input."""


def main() -> None:
    """Entry point of `cotoolkit`: what the user can mend is one line on stderr and exit code 2; 1 if a run failed."""
    from cotoolkit.cli.display import plain_help, say_error
    from cotoolkit.core.errors import CotoolkitError, RunFailed
    from cotoolkit.core.importing.siblings import SIBLINGS

    plain_help()
    try:
        SIBLINGS.claim(SIBLINGS.names)  # before a user's module of such a name is found
        from cotoolkit.cli.app import cotoolkit_command

        cotoolkit_command()
    except CotoolkitError as error:
        say_error(str(error))
        sys.exit(1 if isinstance(error, RunFailed) else 2)
    except OSError as error:
        say_error(str(error))
        sys.exit(2 if error.errno in BAD_PATHS else 1)
