"""One training run, in any framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from upsize.run._full_size import ended_early
from upsize.run._merge import Merging, MicroBatch
from upsize.run._options import Options
from upsize.run._position import Counter
from upsize.run._run_batches import RunBatches
from upsize.run._run_plan import RunPlan
from upsize.run._state import State
from upsize.schedule import Size
from upsize.schedule._warn import warn

__all__ = ["TrainingRun"]


class TrainingRun(RunBatches):
    """Resize each batch of a training run to the size of its step.

    Every way of training drives one of these. It passes its batches and a counter; the
    run owns the plan, the checks, the state, the dry run, the values that follow the
    size, the reports and the end.

    Args:
        options: What the user asks for.
        counter: Holds the length of the run and how many steps are done.
        saved: State of the run that this one resumes.
        models: Models of the run, for the warning about recompilation.
        say: Called with the plan's summary when it is made, and at the first batch with
            what of it is resized; ``None`` in all processes but one.
        report: Called as ``report(name, pixels, step)`` when the size changes, with
            the longer side.
        is_trial: Whether the run is a short test, which need not reach full size.
        is_second: Whether ``saved`` is of an earlier run in this process. With images
            of another size than its full size, this run begins a plan of its own.
        by_steps: Whether training ends after a number of steps: a resumed run with
            other steps per epoch then continues at the same step, not epoch.

    Raises:
        ValueError: When the schedule does not fit the length of the run, or ``saved``
            is the state of another run.

    Warns:
        UserWarning: When the plan ends before full size, a resumed run has another
            length, or a compiled model meets more sizes than its recompile limit.

    Example:
        >>> import torch
        >>> from upsize.run import BatchCounter, Options
        >>> from upsize.schedule import Ramp
        >>> counter = BatchCounter(total_steps=4, accumulate=1, batches=None)
        >>> run = TrainingRun(Options(Ramp(increase_by=16), verbose=False), counter)
        >>> for _ in range(4):
        ...     batch = run.train(torch.rand(2, 3, 64, 64))
        ...     print(batch.shape[-1], end=" ")
        ...     counter.count()
        32 32 48 64
        >>> run.finish()
    """

    def __init__(
        self,
        options: Options,
        counter: Counter,
        *,
        saved: State | None = None,
        models: Iterable[nn.Module] = (),
        say: Callable[[str], object] | None = print,
        report: Callable[[str, int, int], object] | None = None,
        is_trial: bool = False,
        is_second: bool = False,
        by_steps: bool = False,
    ) -> None:
        plan = RunPlan(
            options,
            counter,
            saved=saved,
            models=models,
            say=say,
            is_trial=is_trial,
            is_second=is_second,
            by_steps=by_steps,
        )
        super().__init__(options, counter, plan, say)
        self._report, self._is_trial = report, is_trial
        self._at_end: set[Callable[[], object]] = set()
        rule = options.merge_rule
        #: Which batches are merged; ``None``: none are.
        self.merging = (
            None if rule is None else Merging(rule, say if options.verbose else None)
        )
        self._micro_batch: MicroBatch | None = None

    @property
    def accumulate(self) -> int:
        """Batches in an accumulation window; 1 where the counter does not know it."""
        return int(getattr(self._counter, "accumulate", 1))

    @property
    def micro_batch(self) -> MicroBatch:
        """What was trained on last: how many batches of the loader, and their weight."""
        return self._micro_batch or MicroBatch(1, 1 / self.accumulate)

    def note_micro_batch(self, batches: int) -> None:
        """Note of how many batches of the loader what is trained on now is made."""
        self._micro_batch = MicroBatch(batches, batches / self.accumulate)

    @property
    def wants_dry_run(self) -> bool:
        """Whether :meth:`preallocate` was asked for and not called yet."""
        return self.options.preallocate and self._size is None

    def train(self, batch: Any) -> Any:
        """Return a training batch at the size of its step.

        Args:
            batch: A tensor (N, C, H, W) or any container of tensors, see
                :class:`~upsize.resize.Resizer`.

        Returns:
            A new batch, or the same one if it already has this size.

        Raises:
            ValueError: When the images are smaller than the full size, the batch has
                none, or the processes of a distributed run would train at different
                sizes.

        Warns:
            UserWarning: Once, when the images are larger than the full size. After the
                first epoch in which a sized loader made images at wrong sizes.
        """
        found = self._read(batch)
        images = found.size
        size = self.size_for(images)
        new = batch
        # Not found.at(size), which would look at every target of a batch at full size.
        if images != size or self._is_sized:
            new = self.resized(batch, found, size)
        if not self._reports.is_described:
            self.describe(found)
        return new

    def size_for(self, images: Size | None) -> Size:
        """Return the size of the current training batch, which is then trained on.

        For ways of training that resize the images themselves.

        Args:
            images: Size of its images, to check; ``None``: it is checked already.

        Raises:
            ValueError: As :meth:`train`.
        """
        run_plan = self._run_plan
        if run_plan.plan is None:
            assert images is not None  # only images can tell the full size
            run_plan.make(images)
        step, plan = run_plan.step(), run_plan.plan
        assert plan is not None
        self.agree()
        if self._reports.mismatched:
            self._reports.begin_step(step, plan)
        size = plan.size_at(step)
        # Most batches of most runs are at full size, and asked for at full size.
        if images is not None and not images == size == plan.final_size:
            self._check_batch(images, size, plan)
        if self.options.follow is not None:
            self.options.follow.set(step)
        if size != self._size:
            self._change(size, step)
        return size

    def tell_at_end(self, tell: Callable[[], object]) -> None:
        """Call a function when the run has ended without an exception."""
        self._at_end.add(tell)

    def finish(self, *, completed: bool = True) -> None:
        """End the run: restore the values that follow the size, and report the end.

        Args:
            completed: Whether training ended without an exception. After an exception
                there are no warnings.

        Warns:
            UserWarning: When training ended before full size, or a sized loader made
                images at wrong sizes.
        """
        if self.options.follow is not None:
            self.options.follow.restore()
        if not completed:
            return
        self._reports.end()
        for tell in self._at_end:
            tell()
        if self.plan is None or self._size is None or self._is_trial:
            return
        text = ended_early(self.plan, self._size, self._counter.unit)
        if text is not None:
            warn(text)

    def _change(self, size: Size, step: int) -> None:
        """Train at another size from now on."""
        if self._size is None and self.merging is not None:
            assert self.plan is not None  # it has the size
            self.merging.check(self.plan)
        self._size = size
        if self.options.empty_cache and torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self._report is not None and self.options.log is not None:
            self._report(self.options.log, max(size), step)
