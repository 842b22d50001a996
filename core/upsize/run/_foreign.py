"""Notes on exceptions that are raised while a run trains on smaller images."""

from __future__ import annotations

import torch

from upsize.run._training_run import TrainingRun

__all__ = ["explain"]

_START = "upsize: step "


def explain(error: BaseException, run: TrainingRun | None) -> None:
    """Add a note to an exception from a training step: its step, size and likely cure.

    There is no note at full size, none on errors of upsize itself, which name their
    cure, and none on what stops a program or an iteration on purpose.

    Args:
        error: What was raised within the step.
        run: The run; ``None``: nothing is resized.

    Example:
        >>> from upsize.run import BatchCounter, Options
        >>> from upsize.schedule import Ramp
        >>> counter = BatchCounter(total_steps=4, accumulate=1, batches=None)
        >>> run = TrainingRun(Options(Ramp(), verbose=False), counter)
        >>> _ = run.train(torch.rand(2, 3, 64, 64))
        >>> error = RuntimeError("shapes cannot be multiplied")
        >>> explain(error, run)
        >>> error.__notes__[0][:48]
        'upsize: step 0 trains at 32x32 instead of 64x64.'
    """
    if run is None or run.plan is None or run.size in (None, run.plan.final_size):
        return
    stops = StopIteration, StopAsyncIteration
    if not isinstance(error, Exception) or isinstance(error, stops):
        return
    notes = getattr(error, "__notes__", ())
    if _is_own(error) or any(note.startswith(_START) for note in notes):
        return
    cure = (
        "If the model takes one image size only, upsize.models.adapt(model) may let it "
        "take others, and upsize.models.check(model, plan, batch) finds sizes that work "
        "(multiple_of= of the schedule). A target that has to follow the images needs "
        "Resizer(targets=...)"
    )
    if isinstance(error, torch.OutOfMemoryError):
        cure = "Full size takes more memory: lower the batch size"
    size, full = run.size, run.plan.final_size
    error.add_note(f"{_START}{run.step()} trains at {size} instead of {full}. {cure}")


def _is_own(error: BaseException) -> bool:
    """Whether upsize has raised the error, outside of the models that it adapts."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    name = "" if last is None else last.tb_frame.f_globals.get("__name__", "")
    package, _, room = name.partition(".")
    return package == "upsize" and room.partition(".")[0] != "models"
