"""A schedule bound to a run: a few stages, and the size of any step."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Self

from pydantic import model_validator

from upsize.schedule._grow import Grow
from upsize.schedule._grown import check_batches, grown_fields, stretches_of
from upsize.schedule._moved import moved, moved_back
from upsize.schedule._samples import PlanSamples
from upsize.schedule._stage import check_stages, larger_of, stages_of
from upsize.schedule._stretches import Stretches
from upsize.schedule._table import stage_table

__all__ = ["Plan"]

_RESUMED = "\nnever below the sizes of the run that this one resumes"


class Plan(PlanSamples):
    """A schedule bound to a run: which step trains at which size.

    :meth:`Schedule.plan` makes it. It is plain data: frozen and comparable;
    ``plan.model_dump_json()`` and ``Plan.model_validate_json(text)`` save and load it.

    Args:
        schedule: The schedule that it was made from, as a dict for reading: its kind
            and fields.
        description: What the schedule does in this run, in a sentence or two.
        stages: Stages without gaps from step 0 to ``total_steps``; sizes never shrink,
            except for random ones.
        total_steps: Length of the run in steps.
        steps_per_epoch: Steps in an epoch; ``None``: not known, or not the same in all
            epochs of a run whose batch grows.
        final_size: The full size.
        samples_per_epoch: Samples that a process draws in an epoch; ``None``: not
            known.
        batch_size: Samples of a batch at full size; ``None``: not known.
        grow: How the batch grows while images are small; ``None``: it is constant.
        stage_batches: The batch of each stage of a plan with ``grow``.
        plain: The plan of constant batches that one with ``grow`` was made from.

    Raises:
        pydantic.ValidationError: When the stages do not make up such a run.

    Example:
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=224, increase_by=56).plan(
        ...     epochs=20, steps_per_epoch=147
        ... )
        >>> print(plan.table())
        from step  to step  from epoch  size     share of steps  share of pixels
                0     1470           0  112x112          50.0 %           24.2 %
             1470     2205          10  168x168          25.0 %           27.3 %
             2205     2940          15  224x224          25.0 %           48.5 %
        51.6 % of the pixels of full-size training
    """

    plain: Plan | None = None

    # A dict has no hash.
    def __hash__(self) -> int:
        return hash((self.stages, self.steps_per_epoch, self.final_size))

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_stages(self.stages, self.total_steps, self.final_size)
        check_batches(self, self.plain)
        return self

    @cached_property
    def _stretches(self) -> Stretches:
        return stretches_of(self.plain or self, self.stage_batches)

    def summary(self) -> str:
        """Describe what the run does, in one line.

        Example:
            >>> from upsize.schedule import Ramp
            >>> ramp = Ramp(final_size=224, increase_by=28, increase_mode="epoch")
            >>> print(ramp.plan(epochs=20, steps_per_epoch=147).summary())
            112x112 until epoch 12, then +28 px every epoch, 224x224 from epoch 15
        """
        return self.description

    def table(self) -> str:
        """Return a table with a line for each stage, and the share of pixels.

        Example:
            >>> from upsize.schedule import Ramp
            >>> plan = Ramp(final_size=64, increase_by=32).plan(total_steps=100)
            >>> print(plan.table())
            from step  to step  from epoch  size   share of steps  share of pixels
                    0       50           -  32x32          50.0 %           20.0 %
                   50      100           -  64x64          50.0 %           80.0 %
            62.5 % of the pixels of full-size training
        """
        text = stage_table(self)
        if self.plain is not None:
            text += f", in {self.total_steps} steps instead of {self.plain.total_steps}"
        return text

    def __str__(self) -> str:
        return f"{self.summary()}\n\n{self.table()}"

    def growing(self, grow: Grow) -> Plan:
        """Return this plan with larger batches where images are small.

        Args:
            grow: How the batch grows, with ``batch`` as the batch of this plan.

        Returns:
            The plan of the same samples in fewer steps; this plan itself if that saves
            no step.

        Raises:
            ValueError: When this plan does not know its samples, has another batch, or
                grows already.

        Example:
            >>> from upsize.schedule import Grow, Ramp
            >>> plain = Ramp(final_size=224).plan(
            ...     epochs=20, samples_per_epoch=1000, batch_size=64
            ... )
            >>> plan = plain.growing(Grow(256, batch=64))
            >>> plain.total_steps, plan.total_steps, plan.plain == plain
            (320, 179, True)
        """
        if self.grow is not None:
            raise ValueError(
                "this plan grows already: call growing() of its plain plan"
            )
        if self.batch_size is not None:
            grow = grow.with_batch(self.batch_size)
        fields = grown_fields(self, grow)
        if fields["total_steps"] == self.total_steps:
            return self
        return Plan(**fields)

    def never_below(self, saved: Plan) -> Plan:
        """Return this plan for a run that resumes another: sizes never shrink.

        At every step each side is the larger one of the two plans. So full size is
        reached where this plan reaches it, or earlier.

        The plans are compared at the same step. If both know their steps per epoch and
        these differ, as with another batch size or number of processes, they are
        compared at the same epoch, which is the same share of training if they have the
        same number of epochs: step 30 of 10 epochs of 50 steps is compared with step 60
        of 10 epochs of 100 steps. If both know their samples, the same epoch is the
        same share of its samples. With the same ``total_steps`` the same step is the
        same share, whatever the epochs are. Steps after the end of ``saved`` count as
        its last stage. Plans whose batch grows are compared by their plans of constant
        batches.

        A draw of random sizes depends on the seed and the step, not on the length: a
        plan that draws in every step continues as if it had been longer from the start.

        Args:
            saved: The plan of the run that this one resumes, with the same full size.

        Returns:
            The plan to resume with, and to save from then on.

        Raises:
            ValueError: When the full sizes differ, or random sizes are drawn
                differently.

        Example:
            >>> from upsize.schedule import Ramp
            >>> ramp = Ramp(final_size=224)
            >>> saved = ramp.plan(epochs=10, steps_per_epoch=100)
            >>> longer = ramp.plan(epochs=40, steps_per_epoch=100)
            >>> for step in (600, 2200, 3000):
            ...     resumed = longer.never_below(saved).size_at(step)
            ...     print(saved.size_at(step), longer.size_at(step), resumed)
            156x156 112x112 156x156
            224x224 136x136 224x224
            224x224 224x224 224x224
            >>> larger_batches = ramp.plan(epochs=10, steps_per_epoch=50)
            >>> larger_batches.never_below(saved) == larger_batches
            True
        """
        if saved.final_size != self.final_size:
            raise ValueError(
                f"the saved plan has the full size {saved.final_size}, and this one "
                f"{self.final_size}: resume with the saved one"
            )
        plain, theirs = self.plain or self, saved.plain or saved
        if self.grow is not None:
            moves = (moved_back(stage.start, theirs, plain) for stage in theirs.stages)
            return plain._at_least(theirs, moves).growing(self.grow)
        # With as many steps, the same step is the same share, whatever the epochs are.
        if plain.total_steps == theirs.total_steps:
            moves = (stage.start for stage in theirs.stages)
        else:
            moves = (moved(stage.start, theirs, plain) for stage in theirs.stages)
        return plain._at_least(theirs, moves)

    def _at_least(self, saved: Plan, starts: Iterable[int]) -> Plan:
        """Return this plan with at least the sizes of the saved stages, from its starts."""
        sizes = (stage.size for stage in saved.stages)
        old = stages_of(zip(starts, sizes, strict=True), self.total_steps)
        stages = larger_of(old, self.stages, self.final_size)
        text = self.description
        if stages != self.stages and not text.endswith(_RESUMED):
            text += _RESUMED
        # Not model_copy, which would also copy the cached properties of this plan.
        return Plan(**dict(self) | {"stages": stages, "description": text})
