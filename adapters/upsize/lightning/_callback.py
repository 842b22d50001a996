"""The callback without its base class: Lightning has two packages, and two bases."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import torch

from upsize._compiled import warn_of_recompiles
from upsize._dry_run import dry_run
from upsize._full_size import FullSizeCheck
from upsize._resume import resume
from upsize.lightning._batch_hook import BatchHook
from upsize.lightning._clock import Clock, clock_of
from upsize.resize import Resizer
from upsize.schedule import Linear, Phases, Plan, Ramp, Size
from upsize.schedule._size import as_size

__all__ = ["ResizeCallback"]


class ResizeCallback:
    """All that the callbacks for both packages do.

    Args:
        schedule: What grows and when; ``None``: ``Ramp()``.
        final_size: Full size in pixels, one side or (height, width); ``None``: the
            schedule's, else that of the images in the first batch.
        total_steps: Length of the run in optimizer steps; ``None``: as the trainer
            estimates it when training starts.
        resizer: How to find and resize the images of a batch; ``None``: ``Resizer()``.
        resize_valid: Whether validation during training uses the size of training;
            else it uses images as they come.
        preallocate: Whether to run the first batch forward and backward at full size
            before training. Leaves no trace; needs a ``forward`` that takes the
            images.
        empty_cache: Whether to empty CUDA's cache on every change.
        log: Name under which the progress bar and, on every change, each logger get
            the longer side in pixels; ``None``: not at all.
        verbose: Whether the first process prints the plan's summary.
    """

    def __init__(
        self,
        schedule: Ramp | Linear | Phases | None = None,
        *,
        final_size: int | tuple[int, int] | None = None,
        total_steps: int | None = None,
        resizer: Resizer | None = None,
        resize_valid: bool = False,
        preallocate: bool = False,
        empty_cache: bool = False,
        log: str | None = "image_size",
        verbose: bool = True,
    ) -> None:
        self.schedule = Ramp() if schedule is None else schedule
        self.final_size = None if final_size is None else as_size(final_size)
        if self.final_size is not None:
            self.schedule.resolve(self.final_size)  # two that differ are refused here
        self.total_steps = total_steps
        self.resizer = Resizer() if resizer is None else resizer
        self.resize_valid = resize_valid
        self.preallocate = preallocate
        self.empty_cache = empty_cache
        # Not self.log: Lightning puts the function of that name on every callback.
        self._log_name = log
        self.verbose = verbose
        self._saved: Plan | None = None
        self._hook: BatchHook | None = None
        self._begin()

    def _begin(self) -> None:
        self._plan: Plan | None = None
        self._clock: Clock | None = None
        self._check: FullSizeCheck | None = None
        self._size: Size | None = None
        self._reported: Size | None = None

    @property
    def plan(self) -> Plan | None:
        """The plan; ``None`` until training has seen its first batch."""
        return self._plan

    @property
    def size(self) -> Size | None:
        """Size of the last training batch; ``None`` before the first one."""
        return self._size

    @property
    def state_key(self) -> str:
        """Name of the state in a checkpoint, the same for both packages."""
        return "upsize.ProgressiveResize"

    def state_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON values; Lightning keeps the counters."""
        plan = self._plan or self._saved
        return {} if plan is None else {"plan": plan.model_dump(mode="json")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the saved plan for the start of training.

        Raises:
            ValueError: When it is none of ours.
        """
        if not state_dict:
            return
        try:
            self._saved = Plan.model_validate(state_dict["plan"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "the checkpoint's state of upsize.ProgressiveResize is no plan: "
                f"{error}"
            ) from error

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Stand behind the transfer of batches, for the time of a fit."""
        if stage != "fit":
            return
        others = [c for c in trainer.callbacks if isinstance(c, ResizeCallback)]
        if len(others) > 1:
            raise ValueError(
                f"the trainer has {len(others)} ProgressiveResize callbacks, and each "
                "would resize the batches of the other: leave one"
            )
        self._begin()
        self._hook = BatchHook(
            trainer.strategy, lambda batch: self._resized(trainer, batch)
        )

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Find out how long the run is, and make the plan where the size is known."""
        if "dataloader_iter" in inspect.signature(pl_module.training_step).parameters:
            raise ValueError(
                "training_step(dataloader_iter) takes batches from the loader by "
                "itself, where ProgressiveResize cannot resize them: take a batch, or "
                "use upsize.loop.ProgressiveResize inside training_step"
            )
        self._clock = clock_of(trainer, pl_module, self.total_steps)
        known = self.final_size or self.schedule.target()
        if known is None and self._saved is not None:
            known = self._saved.final_size
        if known is not None:
            self._bind(trainer, known)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report the size: to the bar once an epoch, on a change everywhere."""
        del batch
        size = self._size
        if size is None or self._log_name is None:
            return
        changed = size != self._reported
        # Without a bar nobody asks, and the result would be carried along each step.
        if (changed or batch_idx == 0) and trainer.progress_bar_callback is not None:
            pl_module.log(
                self._log_name, float(max(size)), prog_bar=True, logger=False, on_step=True,
                on_epoch=False, rank_zero_only=True, batch_size=1,
            )  # fmt: skip
        if changed:
            self._reported = size
            for logger in trainer.loggers:
                logger.log_metrics(
                    {self._log_name: max(size)},
                    step=trainer.fit_loop.epoch_loop._batches_that_stepped,
                )

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Warn when training has ended before full size, though the plan has it."""
        plan = self._plan
        if plan is None or self._size in (None, plan.final_size):
            return
        if plan.stages[-1].size == plan.final_size:
            warnings.warn(
                f"training ended at {self._size}, not at the full size "
                f"{plan.final_size}: it was shorter than the {plan.total_steps} steps "
                "that were planned; give total_steps",
                UserWarning,
                stacklevel=2,
            )

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Put back the transfer of batches."""
        self._remove()

    def on_exception(
        self,
        trainer: Any,  # noqa: ARG002
        pl_module: Any,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Put it back here, too: after an exception there is no teardown."""
        self._remove()

    def _remove(self) -> None:
        if self._hook is not None:
            self._hook.remove()
            self._hook = None

    def _bind(self, trainer: Any, final: Size) -> None:
        """Make the plan of this run, or go on with the saved one."""
        assert self._clock is not None
        with warnings.catch_warnings():
            if trainer.fast_dev_run:  # a batch or two never reach full size
                warnings.simplefilter("ignore", UserWarning)
            plan = self.schedule.plan(
                final_size=None if self.schedule.target() else final,
                total_steps=self._clock.total_steps,
                steps_per_epoch=self._clock.steps_per_epoch,
            )
        if self._saved is not None:
            plan, self._saved = resume(self._saved, plan), None
        self._plan = plan
        self._check = FullSizeCheck(plan.final_size)
        warn_of_recompiles([trainer.lightning_module], plan)
        if self.verbose and trainer.is_global_zero:
            print(plan.summary())

    def _resized(self, trainer: Any, batch: Any) -> Any:
        """Return the batch at its step's size where this callback has a say."""
        # The finders of batch sizes and learning rates take the callbacks away.
        if self not in trainer.callbacks:
            return batch
        # By value: comparing Lightning's stages lower-cases strings, at every batch.
        stage = trainer.state.stage.value
        validating = stage == "validate"
        if validating:
            if not self.resize_valid or self._size is None:
                return batch
        elif stage != "train":
            return batch
        images = self.resizer.image_size(batch)
        if self._plan is None:
            self._bind(trainer, images)
        plan, clock, check = self._plan, self._clock, self._check
        assert plan is not None
        assert clock is not None
        assert check is not None
        if images != plan.final_size:
            check.check(images)
        if validating:
            size = self._size
            assert size is not None
        elif trainer.fit_loop._skip_backward:
            # StochasticWeightAveraging measures BatchNorm anew, in an epoch of its own.
            size = plan.final_size
        else:
            size = plan.size_at(clock.step(trainer))
            if self._size is None and self.preallocate:
                self._dry_run(trainer, batch, images)
            if size != self._size and self.empty_cache and torch.cuda.is_available():
                torch.cuda.empty_cache()  # pragma: no cover - needs a GPU
            self._size = size
        return batch if images == size else self.resizer(batch, size, full=images)

    def _dry_run(self, trainer: Any, batch: Any, images: Size) -> None:
        assert self._plan is not None
        final, module = self._plan.final_size, trainer.lightning_module
        image = self.resizer.first_image(self.resizer(batch, final, full=images))
        with trainer.precision_plugin.forward_context():
            dry_run(module, lambda: module(image), final)
