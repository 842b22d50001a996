"""The length of a run in steps and, where it is known, in epochs."""

from __future__ import annotations

import operator
from fractions import Fraction
from typing import NamedTuple

from upsize.schedule._shown import shown
from upsize.schedule._size import check_whole_number, require_whole_number

__all__ = [
    "RunLength",
    "check_both",
    "check_step",
    "run_length",
    "samples_before",
    "steps_of",
]


class RunLength(NamedTuple):
    """The length of a run.

    Args:
        total_steps: Steps of the run.
        steps_per_epoch: Steps in an epoch; ``None``: not known.

    Example:
        >>> run = RunLength(total_steps=2940, steps_per_epoch=147)
        >>> run.epochs
        Fraction(20, 1)
        >>> RunLength(total_steps=2940, steps_per_epoch=None).epochs is None
        True
    """

    total_steps: int
    steps_per_epoch: int | None

    def epoch_length(self, asked_by: str) -> int:
        """Return the steps per epoch, or raise if they are not known.

        Args:
            asked_by: The parameter that counts epochs, for the error.

        Raises:
            ValueError: When they are not known.

        Example:
            >>> RunLength(2940, 147).epoch_length("start=10")
            147
        """
        if self.steps_per_epoch is None:
            raise ValueError(
                f"{asked_by} counts epochs, and this run's are not known: "
                "give steps_per_epoch to plan()"
            )
        return self.steps_per_epoch

    @property
    def epochs(self) -> Fraction | None:
        """The number of epochs, exact; ``None`` without ``steps_per_epoch``."""
        if self.steps_per_epoch is None:
            return None
        return Fraction(self.total_steps, self.steps_per_epoch)


def run_length(
    epochs: int | None, steps_per_epoch: int | None, total_steps: int | None
) -> RunLength:
    """Make a run of ``epochs`` x ``steps_per_epoch``, or of ``total_steps``.

    Raises:
        ValueError: When a number is below 1 or above 10**12, or the length is missing
            or given twice.
    """
    epochs = check_whole_number("epochs", epochs)
    steps_per_epoch = check_whole_number("steps_per_epoch", steps_per_epoch)
    total_steps = check_whole_number("total_steps", total_steps)
    if total_steps is not None and epochs is not None:
        raise ValueError(
            f"epochs={epochs} and total_steps={total_steps} both set the length: give "
            "epochs and steps_per_epoch, or total_steps (and steps_per_epoch)"
        )
    if total_steps is not None:
        return RunLength(total_steps, steps_per_epoch)
    if epochs is None or steps_per_epoch is None:
        raise ValueError(
            "the length of the run is missing: give epochs and steps_per_epoch, or "
            f"total_steps (got epochs={epochs}, steps_per_epoch={steps_per_epoch})"
        )
    total_steps = require_whole_number(
        "epochs * steps_per_epoch", epochs * steps_per_epoch
    )
    return RunLength(total_steps, steps_per_epoch)


def check_step(step: int, name: str = "step") -> int:
    """Return a step as an int of at least 0, or refuse it.

    Raises:
        ValueError: When it is negative.
        TypeError: When it is not an integer.
    """
    number = operator.index(step)
    if number < 0:
        raise ValueError(f"{name} must be at least 0, not {number}")
    return number


def check_both(samples_per_epoch: int | None, batch_size: object) -> None:
    """Refuse the samples of an epoch without those of a batch, and the other way.

    Raises:
        ValueError: When one of them is None alone.
    """
    if (samples_per_epoch is None) != (batch_size is None):
        raise ValueError(
            "samples_per_epoch and batch_size belong together: give both, or neither "
            f"(got samples_per_epoch={samples_per_epoch}, batch_size={batch_size!r})"
        )


def steps_of(samples: int, batch: int, steps_per_epoch: int | None) -> int:
    """Return the steps of an epoch of so many samples.

    Args:
        samples: Samples in an epoch.
        batch: Samples in a batch; the last one has the rest.
        steps_per_epoch: The steps as given; ``None``: not given.

    Raises:
        ValueError: When they differ from the given ones.

    Example:
        >>> steps_of(1000, 64, None)
        16
    """
    steps = -(-samples // batch)
    if steps_per_epoch not in (None, steps):
        raise ValueError(
            f"samples_per_epoch={samples} in batches of {batch} are {steps} steps, not "
            f"steps_per_epoch={shown(steps_per_epoch)}: leave steps_per_epoch out; with "
            f"drop_last give samples_per_epoch={samples // batch * batch}"
        )
    return steps


def samples_before(step: int, samples_per_epoch: int, batch_size: int) -> int:
    """Return the samples before a step of a constant batch.

    Example:
        >>> [samples_before(step, 10, 4) for step in range(5)]
        [0, 4, 8, 10, 14]
    """
    epoch, step = divmod(step, -(-samples_per_epoch // batch_size))
    return epoch * samples_per_epoch + step * batch_size
