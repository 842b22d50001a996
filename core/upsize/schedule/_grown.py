"""A plan whose batch grows, made from the plan of constant batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upsize.schedule._run import check_both, samples_before
from upsize.schedule._shown import shown
from upsize.schedule._stage import Stage
from upsize.schedule._stretches import Stretches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from upsize.schedule._grow import Grow
    from upsize.schedule._samples import PlanSamples
    from upsize.schedule._size import Size

__all__ = ["check_batches", "grown_fields", "stretches_of"]


def stretches_of(plan: PlanSamples, batches: Sequence[int] | None) -> Stretches:
    """Return where each batch of a run begins.

    Args:
        plan: The plan of constant batches.
        batches: The batch of each stage where it grows; ``None``: it is constant.

    Raises:
        ValueError: When the plan does not know its samples.
    """
    epoch, batch = plan.samples_per_epoch, plan.batch_size
    if epoch is None or batch is None:
        raise ValueError(
            "this plan does not know its samples: make it with samples_per_epoch= and "
            "batch_size="
        )
    total = samples_before(plan.total_steps, epoch, batch)
    if batches is None:
        return Stretches([(0, batch)], total, epoch, batch)
    starts = (samples_before(stage.start, epoch, batch) for stage in plan.stages)
    return Stretches(zip(starts, batches, strict=True), total, epoch, batch)


def grown_fields(plain: PlanSamples, grow: Grow) -> dict[str, Any]:
    """Return the fields of a plan with larger batches where images are small.

    It has the same samples at the same sizes, but in fewer steps.

    Args:
        plain: The plan of constant batches, which knows its samples.
        grow: How the batch grows, with the batch of ``plain``.
    """
    batches = tuple(_batch_of(stage, grow, plain.final_size) for stage in plain.stages)
    run = stretches_of(plain, batches)
    epoch, batch = plain.samples_per_epoch, plain.batch_size
    assert epoch is not None  # stretches_of
    assert batch is not None
    starts = [
        run.step_at(samples_before(stage.start, epoch, batch)) for stage in plain.stages
    ]
    stages = tuple(
        Stage(start, stop, stage.size)
        for start, stop, stage in zip(
            starts, [*starts[1:], run.steps], plain.stages, strict=True
        )
    )
    # Epochs at different sizes have different lengths.
    even = len(stages) == 1 and run.total % epoch == 0
    return {
        "schedule": plain.schedule,
        "description": f"{plain.description}\n{_words(max(batches), batch)}",
        "stages": stages,
        "total_steps": run.steps,
        "steps_per_epoch": run.step_at(epoch) if even else None,
        "final_size": plain.final_size,
        "samples_per_epoch": epoch,
        "batch_size": batch,
        "grow": grow,
        "stage_batches": batches,
        "plain": plain,
    }


def _batch_of(stage: Stage, grow: Grow, full: Size) -> int:
    """Return the batch of a stage; of random sizes that of the largest."""
    return min(grow.images_at(size, full=full) for size in stage.sizes)


def _words(largest: int, batch: int) -> str:
    return f"batches of up to {largest} while images are small, of {batch} at full size"


def check_batches(plan: PlanSamples, plain: PlanSamples | None) -> None:
    """Refuse a plan whose samples, batches and steps contradict each other.

    Args:
        plan: The plan.
        plain: The plan of constant batches that it was grown from, if it was.

    Raises:
        ValueError: When they do; names the field.
    """
    epoch, batch = plan.samples_per_epoch, plan.batch_size
    check_both(epoch, batch)
    if (plan.grow is None) != (plain is None):
        raise ValueError(
            "grow and plain belong together: a plan that grows has the plan of constant "
            "batches that it was made from"
        )
    if plan.grow is None or plain is None:
        _same("stage_batches", plan.stage_batches, None)
        if epoch is not None and batch is not None:
            _same("steps_per_epoch", plan.steps_per_epoch, -(-epoch // batch))
        return
    if plain.grow is not None or plain.batch_size is None:
        raise ValueError("plain must be a plan of constant batches with its samples")
    _same("batch of grow", plan.grow.batch, plain.batch_size)
    for name, value in grown_fields(plain, plan.grow).items():
        if name != "plain":
            _same(name, getattr(plan, name), value)


def _same(name: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise ValueError(
            f"{name} must be {shown(expected)}, as the samples and batches of the plan "
            f"say, not {shown(found)}"
        )
