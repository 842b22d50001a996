"""Write docs/pipelines.md: ``python -m tests.pipelines``."""

from __future__ import annotations

from tests.pipelines.table import PAGE, written

if __name__ == "__main__":
    PAGE.write_text(written(), "utf-8")
