"""What a run says about its batches: each thing once."""

from __future__ import annotations

from collections.abc import Callable

from upsize.resize._every_size import check_every_size
from upsize.resize._unnamed import possible_coordinates
from upsize.run._full_size import (
    is_larger,
    larger_images,
    mismatched_batches,
    validation_size,
)
from upsize.run._lost_types import Reading, TypedBatch
from upsize.run._run_plan import RunPlan
from upsize.schedule import Plan, Size
from upsize.schedule._warn import warn

__all__ = ["Reports"]


class Reports:
    """Says what a user has to know about the batches of a run.

    Args:
        planned: The plan of the run, which is made by the first batch at the latest.
        say: Prints a sentence; ``None`` in all processes but one.
        verbose: Whether it is told what is resized.
    """

    def __init__(
        self, planned: RunPlan, say: Callable[[str], object] | None, verbose: bool
    ) -> None:
        self._planned, self._say, self._verbose = planned, say, verbose
        self.is_described = False
        #: Batches of a sized loader that did not have the size of their step.
        self.mismatched = 0
        self._told = self._epoch = 0
        self._told_of_larger = self._told_of_validation = False

    @property
    def _plan(self) -> Plan:
        assert self._planned.plan is not None  # what is checked, is checked against it
        return self._planned.plan

    def describe(self, found: Reading) -> None:
        """Say what of the first training batch is resized, and what is left alone.

        Args:
            found: The batch, as the resizer read it.

        Raises:
            ValueError: When labels have the shape of images, and would be blended; when
                a target has no whole number of pixels at a size of the plan.

        Warns:
            UserWarning: When something is left that may hold pixels of the images; when
                nothing is printed, and something is left that may be an image.
        """
        self.is_described, plan = True, self._plan
        found = found.parsed if isinstance(found, TypedBatch) else found
        found.check_labels()
        check_every_size(found, plan.sizes)
        if self._say is None:
            return
        if plan.sizes != (plan.final_size,):
            text = possible_coordinates(found, plan.final_size)
            if text is not None:
                warn(text)
        if self._verbose:
            self._say(found.description)
        elif found.has_doubts:
            warn(
                f"{found.description}: name all images in images= of the resizer, or "
                'what is right to leave in targets={...: "keep"}'
            )

    def check(self, images: Size) -> None:
        """Compare the size of images with the full size.

        Raises:
            ValueError: When they are smaller.

        Warns:
            UserWarning: Once, when they are larger.
        """
        final = self._plan.final_size
        if is_larger(images, final) and not self._told_of_larger:
            self._told_of_larger = True
            warn(larger_images(images, final))

    def check_validation(self, images: Size) -> None:
        """Warn once when validation images that follow have another full size."""
        final = self._plan.final_size
        # Larger ones are like those of the training, whose warning says the same.
        is_said = self._told_of_larger and validation_size(images, final) == final
        if images != final and not self._told_of_validation and not is_said:
            self._told_of_validation = True
            warn(
                f"the validation images are {images} and final_size is {final}: with "
                "resize_valid=True they get the size that was trained on last, or keep "
                "their own if that is smaller; load them at the full size, or set "
                "resize_valid=False"
            )

    def mismatch(self) -> None:
        """Count a batch of a sized loader that has not the size of its step."""
        length = self._plan.steps_per_epoch
        if not self.mismatched and length is not None:
            self._epoch = self._planned.step() // length
        self.mismatched += 1

    def begin_step(self, step: int) -> None:
        """Warn once, after the first epoch with any, of mismatched batches."""
        length = self._plan.steps_per_epoch
        if not self._told and length is not None and step // length > self._epoch:
            self.end()

    def end(self) -> None:
        """Warn of mismatched batches since the last warning."""
        if self.mismatched > self._told:
            self._told = self.mismatched
            warn(mismatched_batches(self.mismatched))
