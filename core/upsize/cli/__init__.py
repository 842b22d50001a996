"""The command ``upsize``: see a schedule before training, and watch it train.

Needs the extra ``cli`` for ``upsize plan``, and ``demo`` for ``upsize demo``.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from upsize._extras import missing_extra

__all__ = ["main"]


def main() -> None:
    """Run the command; without its extra, say how to install it and exit with 1.

    Raises:
        SystemExit: Always, with the exit status: 0, 1 or, for bad input, 2.
    """
    if any(find_spec(name) is None for name in ("typer", "rich")):
        sys.exit(str(missing_extra("cli", "Tables and options of the command")))
    from upsize.cli._app import app

    app()
