"""A forecast: what was measured, and what follows for any schedule."""

from __future__ import annotations

from typing import Any

from upsize.forecast._measured import LoadingName, MeasuredCosts
from upsize.forecast._predict import predict
from upsize.forecast._prediction import Prediction
from upsize.forecast._suggest import suggestion
from upsize.schedule import Plan, Ramp, Schedule

__all__ = ["Forecast"]


class Forecast(MeasuredCosts):
    """What a step costs at each size, and so how long any schedule will take.

    Made by :func:`measure`. Frozen, and to JSON and back by
    ``forecast.model_dump_json()`` and ``Forecast.model_validate_json(text)``.

    Args:
        device: Where it was measured.
        batch_size: Images in a batch, where the loader tells.
        workers: Processes of the loader.
        cores: Cores of the processor that this process may use.
        final_size: The full size.
        full: Costs with the loader unchanged: batches are resized on the device.
        sized: Costs with a :func:`~upsize.loading.sized` loader; ``None``: it cannot be
            sized.
        not_sized: Why it cannot be sized.
        size_change: Extra seconds of the first step at a new size.
        validation: Seconds of a validation after each epoch, where it was measured.
        grow: How the batch grew in ``grown``; ``None``: it was not measured.
        grown: Costs with larger batches while images are small, and the loader
            unchanged; of as many images as a batch at full size has.
        grown_sized: Likewise with a sized loader.
        not_grown: Why larger batches were not measured.
        images_only: Whether nothing but one tensor of images is resized: no masks, boxes
            or further views, as in the training of a classifier.

    Raises:
        pydantic.ValidationError: When the costs were not measured at the same sizes, the
            last of which is the full one.

    Example:
        >>> from upsize.forecast import Costs, SizeCost
        >>> full = SizeCost(size=(64, 64), step=0.4, resize=0, wait=0, first_batch=0)
        >>> half = SizeCost(
        ...     size=(32, 32), step=0.1, resize=0, wait=0.1, first_batch=0.1
        ... )
        >>> forecast = Forecast(
        ...     device="cpu", batch_size=32, workers=1, cores=2, final_size=(64, 64),
        ...     full=Costs(sizes=(half, full)), sized=None, not_sized="no DataLoader",
        ...     size_change=0.0, validation=None,
        ... )
        >>> prediction = forecast.predict(
        ...     Ramp(increase_by=32), epochs=10, steps_per_epoch=100
        ... )
        >>> f"{prediction.saving:.1%} of {prediction.theoretical_maximum:.1%}"
        '25.0% of 37.5%'
        >>> forecast.bottleneck()
        'the loader below 46 px'
    """

    def predict(
        self,
        schedule: Schedule | Plan,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
        loading: LoadingName = "full",
        test_size: int | tuple[int, int] | None = None,
    ) -> Prediction:
        """Predict the time of a schedule, and say why it is not less.

        Args:
            schedule: A schedule, or a plan, which already has its length. A schedule
                without a full size gets the measured one.
            epochs: Length in epochs, with ``steps_per_epoch``.
            steps_per_epoch: Batches of an epoch.
            total_steps: Or the length in steps.
            loading: ``"full"``, or ``"sized"``.
            test_size: Size at which the model is tested, in pixels: what ending below it
                would save, see :func:`~upsize.schedule.finish_hint`. ``None``: the full
                size, if the schedule is a ramp and only images are resized.

        Raises:
            ValueError: For a size outside the measured ones, and as ``schedule.plan`` and
                :meth:`costs`.
        """
        if isinstance(schedule, Plan):
            if (epochs, steps_per_epoch, total_steps) != (None, None, None):
                raise ValueError("a plan has its length: leave epochs and steps out")
            plan = schedule
        else:
            plan = schedule.plan(
                epochs=epochs,
                steps_per_epoch=steps_per_epoch,
                total_steps=total_steps,
                final_size=schedule.full_size() or self.final_size,
            )
        return predict(self, plan, loading, test_size)

    def suggest(
        self,
        budget: float = 0.8,
        *,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
        loading: LoadingName = "full",
        multiple_of: int | tuple[int, int] = 1,
        max_sizes: int = 8,
    ) -> Ramp:
        """Return the ramp that trains longest at full size within a share of the time.

        ``start`` is two thirds of ``finish``, as in the reference. Every measured size is
        tried as the first one; of two that allow the same share of full size, the larger
        is taken.

        Args:
            budget: Share of the time of full-size training, in (0, 1).
            epochs: As for :meth:`predict`.
            steps_per_epoch: As for :meth:`predict`.
            total_steps: As for :meth:`predict`.
            loading: ``"full"`` or ``"sized"``.
            multiple_of: Every size is a multiple of this.
            max_sizes: At most this many sizes.

        Raises:
            ValueError: When no schedule that trains a tenth of its steps at full size
                fits; names the cheapest, and what makes it slow.
        """
        length: dict[str, Any] = {
            "epochs": epochs,
            "steps_per_epoch": steps_per_epoch,
            "total_steps": total_steps,
        }
        return suggestion(
            budget,
            [cost.size for cost in self.costs(loading).sizes],
            lambda ramp: self.predict(ramp, **length, loading=loading),
            multiple_of,
            max_sizes,
        )

    def table(self) -> str:
        """Return a line for each size: milliseconds of a step, and their parts."""
        lines = [
            f"{'ms per step':>11}  {'full':>6}  {'step':>6}  {'resize':>6}  "
            f"{'wait':>6}" + (f"  {'sized':>6}  {'wait':>6}" if self.sized else "")
        ]
        for number, cost in enumerate(self.full.sizes):
            line = (
                f"{cost.size!s:>11}  {1000 * cost.total:6.1f}  {1000 * cost.step:6.1f}  "
                f"{1000 * cost.resize:6.1f}  {1000 * cost.wait:6.1f}"
            )
            if self.sized:
                small = self.sized.sizes[number]
                line += f"  {1000 * small.total:6.1f}  {1000 * small.wait:6.1f}"
            lines.append(line)
        return "\n".join(lines)

    def growth(self) -> str:
        """Say in words what larger batches of small images cost, at each size."""
        if self.grow is None or self.grown is None:
            reason = self.not_grown
            return f"larger batches were not measured: {reason}" if reason else ""
        batch = self.grow.plain_batch()
        lines = []
        for plain, cost in zip(self.full.sizes, self.grown.sizes, strict=True):
            images = self.grow.images_at(cost.size, full=self.final_size)
            if images > batch:
                factor = images / batch * cost.step / plain.step
                lines.append(
                    f"a step of {images} images of {cost.size} takes {factor:.2f} times "
                    f"as long as one of {batch}"
                )
        return "\n".join(lines)

    def __str__(self) -> str:
        lines = [self.table(), f"bound by {self.bottleneck()}"]
        if self.sized:
            lines.append(f"with a sized loader by {self.bottleneck('sized')}")
        else:
            lines.append(f"a sized loader was not measured: {self.not_sized}")
        return "\n".join(filter(None, [*lines, self.growth()]))
