"""The claims that a way of training does not keep yet.

Each is marked ``xfail(strict=True)``: who mends it must take it out of here. Keys are
(claim, way): a claim is the name of a test, and of one of its cases in brackets.
"""

from __future__ import annotations

__all__ = ["KNOWN"]

_EMPTY = "Lightning does not hand over a state that is empty"

KNOWN: dict[tuple[str, str], str] = {
    ("test_a_broken_state_is_refused[empty]", "lightning"): _EMPTY,
    ("test_a_broken_state_is_refused[none]", "lightning"): _EMPTY,
    ("test_it_is_refused_before_anything_changes", "lightning"): (
        "Lightning has loaded the weights by then"
    ),
    ("test_it_is_refused_before_anything_changes", "transformers"): (
        "the Trainer has loaded the weights by then"
    ),
}
