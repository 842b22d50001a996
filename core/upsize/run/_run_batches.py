"""The batches of a training run: read, checked, and resized."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from upsize.run._dry_run import dry_run
from upsize.run._full_size import validation_size
from upsize.run._lost_types import LostTypes, Reading
from upsize.run._made_again import check_sizes_asked, is_sized
from upsize.run._options import Options
from upsize.run._position import Counter
from upsize.run._prepared import PreparedBatches
from upsize.run._reports import Reports
from upsize.run._run_plan import RunPlan
from upsize.run._run_sizes import RunSizes
from upsize.schedule import Plan, Size

__all__ = ["RunBatches"]


class RunBatches(RunSizes):
    """What a training run does with batches of any stage, but to count them.

    Args:
        options: What the user asks for.
        counter: Holds the length of the run and how many steps are done.
        run_plan: Makes its plan.
        say: See :class:`~upsize.run.TrainingRun`.
    """

    def __init__(
        self,
        options: Options,
        counter: Counter,
        run_plan: RunPlan,
        say: Callable[[str], object] | None,
    ) -> None:
        super().__init__(options, counter, run_plan)
        self._lost = LostTypes(options.resizer)
        self._prepared = PreparedBatches()
        # Whether its dataset belongs to a sized loader, whatever the loader is.
        self._has_sized_data = False
        self._reports = Reports(say, options.verbose)
        self._size: Size | None = None

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return self._size

    @property
    def mismatched(self) -> int:
        """Batches that a sized loader made at another size than their step's."""
        return self._reports.mismatched

    def draw_from(
        self, loaders: Any, *, arrange: Callable[[Any], Any] | None = None
    ) -> None:
        """Note the loaders that the next batches come from, before the first of them.

        Where batches have lost the types of torchvision, one sample of each loader's
        dataset tells them.

        Args:
            loaders: A loader, or containers of such that batches come in as well.
            arrange: Makes of a loader's batch what is resized; ``None``: that itself.
        """
        if self._lost.expect(loaders, arrange):
            self._prepared = PreparedBatches()
            self._has_sized_data = any(map(is_sized, self._lost.datasets))

    def resized(self, batch: Any, found: Any, size: Size) -> Any:
        """Return a batch at a size, with what its loader has not made small.

        Args:
            batch: The batch, which is returned if nothing of it changes.
            found: What a resizer has read.
            size: The size of the step.
        """
        if not self._is_sized:
            return found.at(size, step=self.step())
        assert self.plan is not None  # or no loader would have sizes
        full = self.plan.final_size
        return self._prepared.resized(batch, found, size, full, self.step())

    def matched(self, part: Any, batch: Any) -> Any:
        """Return samples of a sized loader at the size of a batch, to complete it.

        Args:
            part: A batch of those samples.
            batch: The batch.
        """
        return self.resized(part, self._read(part), self._read(batch).size)

    def lost_types(self, batch: Any, images: Size) -> dict[Any, Any]:
        """Return the values of a batch that have lost their types, with their types.

        For ways of training that resize the images themselves.

        Args:
            batch: The batch, as it is resized.
            images: Size of its images.
        """
        self._lost.learn(batch, self._full_of_lists(self.plan), self.plan)
        typed = self._lost.typed(batch)
        self._lost.place(typed, images)
        return typed

    def describe(self, found: Reading) -> None:
        """Say what of the first training batch is resized, and what is left alone.

        For ways of training that resize the images themselves.

        Args:
            found: The batch, as the resizer read it.

        Raises:
            ValueError: When labels have the shape of images, and would be blended; when
                a target has no whole number of pixels at a size of the plan.

        Warns:
            UserWarning: When something is left that may hold pixels of the images; when
                nothing is printed, and something is left that may be an image.
        """
        self._reports.describe(found, self.plan)

    def validate(self, batch: Any) -> Any:
        """Return a validation batch; ``resize_valid``: at the last training size."""
        if self.plan is None or self._size is None or not self.options.resize_valid:
            return batch
        found = self._lost.read_other(batch, self.plan.final_size)
        size = self.validation_size(found.size)
        return batch if size == found.size else found.at(size)

    def validation_size(self, images: Size) -> Size:
        """Return the size that ``resize_valid`` gives validation images of a size.

        Warns:
            UserWarning: Once, when they do not have the full size.
        """
        assert self.plan is not None
        assert self._size is not None
        self.check_validation(images)
        return validation_size(images, self._size)

    def check_validation(self, images: Size) -> None:
        """Warn once when validation images that follow have another full size."""
        assert self.plan is not None
        self._reports.check_validation(images, self.plan.final_size)

    def at_full_size(self, batch: Any) -> Any:
        """Return a batch at full size, for example for BatchNorm statistics."""
        found = self._read(batch)
        plan = self.plan or self._run_plan.make(found.size)
        self._check_batch(found.size, plan.final_size, plan)
        return found.at(plan.final_size)

    def preallocate(
        self,
        model: nn.Module,
        batch: Any,
        *,
        forward: Callable[[nn.Module, Any], Any] | None = None,
    ) -> None:
        """Run a batch forward and backward at full size, and leave no trace of it.

        It proves that the largest size fits into memory, and allocates that memory
        before smaller sizes fragment it. Weights, buffers, ``.grad``, the optimizer and
        the random state stay bit-identical.

        Args:
            model: The model, on its device, in the mode it trains in.
            batch: A batch on the same device.
            forward: Called with the model and the batch at full size; returns the loss
                or other outputs. ``None``: the model is called with the first image.

        Raises:
            ValueError: When a parameter of the model is not initialized yet.
            torch.OutOfMemoryError: When the full size does not fit.
        """
        found = self._read(batch)
        plan = self.plan or self._run_plan.make(found.size)
        self._check_batch(found.size, found.size, plan)
        full = found.at(plan.final_size)
        if forward is None:
            image = self.options.resizer.read(full, full=plan.final_size).first
            dry_run(model, lambda: model(image), plan.final_size)
        else:
            dry_run(model, lambda: forward(model, full), plan.final_size)

    def check(self, images: Size) -> None:
        """Compare the size of images with the full size.

        Raises:
            ValueError: When they are smaller.

        Warns:
            UserWarning: Once, when they are larger.
        """
        assert self.plan is not None
        self._reports.check(images, self.plan.final_size)

    def _read(self, batch: Any) -> Reading:
        plan = self._run_plan.plan
        # As _full_of_lists, without a call at every batch.
        full = None if self._is_sized or plan is None else plan.final_size
        return self._lost.read(batch, full, plan)

    def _full_of_lists(self, plan: Plan | None) -> Size | None:
        """Return the size that lists of images stand for; ``None``: their own."""
        return None if self._is_sized or plan is None else plan.final_size

    def _check_batch(self, images: Size, size: Size, plan: Plan) -> None:
        """Check the images of a batch; a sized loader may make small ones."""
        if self._is_sized and images != size:
            self._reports.mismatch(self.step(), plan)
        if self._has_sized_data and not self._is_sized:
            check_sizes_asked(images, size, plan.final_size)
        if not self._is_sized or (images != size and images not in plan.sizes):
            self.check(images)
