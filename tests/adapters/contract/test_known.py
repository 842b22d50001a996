"""The table of what is known to fail names real claims and real ways."""

from __future__ import annotations

from pathlib import Path

from tests.adapters.contract.known import KNOWN
from tests.adapters.contract.ways.every import WAYS


def test_each_entry_names_a_claim_and_a_way() -> None:
    tests = Path(__file__).parent.glob("test_*.py")
    source = "\n".join(path.read_text("utf-8") for path in tests)
    for claim, way in KNOWN:
        name, _, case = claim.partition("[")
        assert f"def {name}(" in source, claim
        assert not case or f'"{case[:-1]}"' in source, claim
        assert way in {each.name for each in WAYS}
