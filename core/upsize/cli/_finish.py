"""What the command says about training that ends below the test size."""

from __future__ import annotations

from typing import Annotated

import typer

from upsize.schedule import Plan, finish_hint

__all__ = ["TestSize", "describe_finish"]

#: The option of every command that says it.
TestSize = Annotated[
    str | None,
    typer.Option(
        help="Size at which you test the model, to see if training may end below it.",
        show_default="the full size of a ramp",
    ),
]


def describe_finish(plan: Plan, test_size: int | tuple[int, int] | None) -> str | None:
    """Return the line of a hint, or why there is none if the user has asked.

    Args:
        plan: The plan.
        test_size: ``--test-size``; ``None``: not given.

    Returns:
        The line; ``None``: nothing to say.

    Raises:
        ValueError: When ``test_size`` is not a size.

    Example:
        >>> from upsize.schedule import presets
        >>> plan = presets.mosaic("mild").plan(total_steps=100)
        >>> describe_finish(plan, 224)
        'No hint: training ends at 176x176, for a test size of 224.'
        >>> describe_finish(plan, None) is None
        True
    """
    hint = finish_hint(plan, test_size)
    if test_size is None:
        other = "--test-size is for another test size"
        return None if hint is None else f"Hint: {hint}; {other}"
    if hint is not None:
        return f"Hint: {hint}"
    shown = test_size if isinstance(test_size, int) else "x".join(map(str, test_size))
    return f"No hint: training ends at {plan.final_size}, for a test size of {shown}."
