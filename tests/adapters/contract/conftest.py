"""Settings of the contract suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from tests.adapters.contract.known import KNOWN

mpl.use("Agg")  # fastai's learning rate finder draws


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        reason = _reason(item)
        if reason is not None:
            item.add_marker(pytest.mark.xfail(strict=True, reason=reason))


def _reason(item: Any) -> str | None:
    """Return why a claim is known to fail, if it is."""
    spec = getattr(item, "callspec", None)
    way = None if spec is None else spec.params.get("way")
    if way is None:
        return None
    claim = item.originalname
    case = "-".join(part for part in spec.id.split("-") if part != way.name)
    one = KNOWN.get((f"{claim}[{case}]", way.name))
    return one or KNOWN.get((claim, way.name))
