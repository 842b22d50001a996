"""The command ``upsize``: see a schedule before training, and watch it train.

Needs the extra ``cli`` for ``upsize plan``, and ``demo`` for ``upsize demo``.
"""

from __future__ import annotations

import sys

from upsize._extras import require

__all__ = ["main"]


def main() -> None:
    """Run the command; without its extra, say how to install it and exit with 1.

    Raises:
        SystemExit: Always, with the exit status: 0, 1 or, for bad input, 2.
    """
    try:
        for name in ("typer", "rich"):
            require(name, "cli", "Tables and options of the command")
    except ImportError as error:
        sys.exit(str(error))
    from upsize.cli._app import app

    app()
