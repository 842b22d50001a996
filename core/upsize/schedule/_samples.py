"""The samples of a plan: the batch of each step, and where it lies in the data."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from fractions import Fraction
from functools import cached_property

from upsize.schedule._plan_stages import PlanStages
from upsize.schedule._run import check_step
from upsize.schedule._size import Size
from upsize.schedule._stage import Stage
from upsize.schedule._stretches import Stretches

__all__ = ["PlanSamples"]


class PlanSamples(PlanStages, ABC):
    """What a :class:`Plan` says about its samples and epochs."""

    @cached_property
    @abstractmethod
    def _stretches(self) -> Stretches:
        """Where each batch begins; refused if the samples are not known."""

    @property
    def total_samples(self) -> int | None:
        """Samples of the run; ``None``: not known."""
        return None if self.samples_per_epoch is None else self._stretches.total

    @property
    def weighed_stages(self) -> tuple[Stage, ...]:
        """The stages in samples if they are known, else in steps."""
        if self.samples_per_epoch is None:
            return self.stages
        return tuple(
            Stage(self.samples_at(start), self.samples_at(stop), size)
            for start, stop, size in self.stages
        )

    @property
    def pixel_share(self) -> float:
        """Pixels trained on as a share of those of training at full size.

        One minus this is the saving by pixel count; it ignores the fixed cost of a
        step. Samples count where the plan knows them, else steps. Random sizes count
        by their probability, which the draws of a run approach as their number grows.
        """
        weighed = self.weighed_stages
        pixels = sum(stage.pixels for stage in weighed)
        full = weighed[-1].stop * self.final_size.height * self.final_size.width
        return float(Fraction(pixels, full))

    @property
    def share_by_size(self) -> dict[Size, Fraction]:
        """The share of training at each size: of its samples if known, else of steps.

        For random sizes it is the expected share.

        Example:
            >>> from upsize.schedule import Grow, Ramp
            >>> plan = Ramp(final_size=64, increase_by=32).plan(
            ...     epochs=2, samples_per_epoch=64, batch_size=Grow(32, batch=8)
            ... )
            >>> [(str(size), float(share)) for size, share in plan.share_by_size.items()]
            [('32x32', 0.5), ('64x64', 0.5)]
            >>> [(str(size), int(steps)) for size, steps in plan.steps_by_size.items()]
            [('32x32', 2), ('64x64', 8)]
        """
        stages = self.weighed_stages
        shares: dict[Size, Fraction] = {}
        for stage in stages:
            length = Fraction(stage.stop - stage.start, stages[-1].stop)
            for size, weight in stage.weights.items():
                shares[size] = shares.get(size, Fraction(0)) + length * weight
        return shares

    @property
    def batch_sizes(self) -> tuple[int, ...] | None:
        """The batch of each stage, as ``stages``; ``None``: not known.

        Of random sizes it is that of the largest one. The last batch of a stage, and
        of each of its epochs, may be smaller.
        """
        if self.stage_batches is not None or self.batch_size is None:
            return self.stage_batches
        return (self.batch_size,) * len(self.stages)

    def batch_at(self, step: int) -> int:
        """Return how many samples the batch of a step has.

        Args:
            step: Number of the step, from 0; after the end the last stage continues.

        Raises:
            ValueError: When ``step`` is negative, or the plan does not know its
                samples.
            TypeError: When it is not an integer.

        Example:
            >>> from upsize.schedule import Grow, Ramp
            >>> plan = Ramp(final_size=224).plan(
            ...     epochs=20, samples_per_epoch=1000, batch_size=Grow(256, batch=64)
            ... )
            >>> [plan.batch_at(step) for step in (0, 3, 4, plan.total_steps - 2)]
            [256, 232, 256, 64]
        """
        return self._stretches.batch_at(check_step(step))

    def samples_at(self, step: int) -> int:
        """Return how many samples come before a step.

        Args:
            step: As for :meth:`batch_at`; ``total_steps`` gives ``total_samples``.

        Raises:
            ValueError: As for :meth:`batch_at`, as well as TypeError.

        Example:
            >>> from upsize.schedule import Ramp
            >>> plan = Ramp(final_size=224).plan(
            ...     epochs=20, samples_per_epoch=1000, batch_size=64
            ... )
            >>> [plan.samples_at(step) for step in (0, 15, 16, plan.total_steps)]
            [0, 960, 1000, 20000]
        """
        return self._stretches.samples_at(check_step(step))

    def step_at(self, samples: int) -> int:
        """Return the first step that has at least so many samples before it.

        It is the inverse of :meth:`samples_at`.

        Args:
            samples: Samples that are done, at least 0.

        Raises:
            ValueError: As for :meth:`batch_at`, as well as TypeError.

        Example:
            >>> from upsize.schedule import Ramp
            >>> plan = Ramp(final_size=224).plan(
            ...     epochs=20, samples_per_epoch=1000, batch_size=64
            ... )
            >>> plan.step_at(960), plan.step_at(961), plan.step_at(1000)
            (15, 16, 16)
        """
        return self._stretches.step_at(check_step(samples, "samples"))

    def lr_factor(self, step: int) -> float:
        """Return what to multiply the learning rate of a step with.

        Args:
            step: As for :meth:`batch_at`.

        Returns:
            The ratio of the step's batch to the plain one, or its square root, as
            ``lr`` of :class:`Grow` says; 1.0 for a batch that is not larger, without
            ``lr`` and for a constant batch.

        Raises:
            ValueError: When ``step`` is negative.
            TypeError: When it is not an integer.

        Example:
            >>> from upsize.schedule import Grow, Ramp
            >>> plan = Ramp(final_size=224).plan(
            ...     epochs=20,
            ...     samples_per_epoch=1024,
            ...     batch_size=Grow(256, batch=64, lr="sqrt"),
            ... )
            >>> plan.lr_factor(0), plan.lr_factor(plan.total_steps - 1)
            (2.0, 1.0)
        """
        step = check_step(step)
        if self.grow is None or self.grow.lr is None:
            return 1.0
        assert self.batch_size is not None  # of a grown plan
        ratio = max(self.batch_at(step), self.batch_size) / self.batch_size
        return ratio if self.grow.lr == "linear" else math.sqrt(ratio)

    def epoch_at(self, step: int) -> Fraction | None:
        """Return how many epochs come before a step, exactly; ``None``: unknown.

        Args:
            step: Number of the step, from 0.

        Raises:
            ValueError: When ``step`` is negative.
            TypeError: When it is not an integer.

        Example:
            >>> from upsize.schedule import Ramp
            >>> plan = Ramp(final_size=224).plan(epochs=20, steps_per_epoch=10)
            >>> plan.epoch_at(10), plan.epoch_at(25)
            (Fraction(1, 1), Fraction(5, 2))
        """
        step = check_step(step)
        if self.samples_per_epoch is not None:
            return Fraction(self.samples_at(step), self.samples_per_epoch)
        if self.steps_per_epoch is not None:
            return Fraction(step, self.steps_per_epoch)
        return None

    @property
    def epochs(self) -> int | float | None:
        """Length of the run in epochs, an int if it is whole; ``None``: unknown."""
        epochs = self.epoch_at(self.total_steps)
        if epochs is None:
            return None
        return int(epochs) if epochs.denominator == 1 else float(epochs)

    def epoch_start(self, epoch: int) -> int:
        """Return the first step of an epoch.

        Args:
            epoch: Number of the epoch, from 0; that of the run's end is the first one
                after it.

        Raises:
            ValueError: When ``epoch`` is negative, or epochs are not known.
            TypeError: When it is not an integer.

        Example:
            >>> from upsize.schedule import Grow, Ramp
            >>> plan = Ramp(final_size=224).plan(
            ...     epochs=20, samples_per_epoch=1000, batch_size=Grow(256, batch=64)
            ... )
            >>> [plan.epoch_start(epoch) for epoch in (0, 1, 2, 20)]
            [0, 4, 8, 179]
        """
        epoch = check_step(epoch, "epoch")
        if self.samples_per_epoch is not None:
            return self._stretches.step_at(epoch * self.samples_per_epoch)
        if self.steps_per_epoch is not None:
            return epoch * self.steps_per_epoch
        raise ValueError(
            "this plan does not know its epochs: make it with epochs= and "
            "steps_per_epoch=, or with samples_per_epoch= and batch_size="
        )
