"""One training run, in any framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn

from upsize.run._batch_reader import BatchReader
from upsize.run._dry_run import dry_run
from upsize.run._full_size import ended_early, validation_size
from upsize.run._merging import Merging
from upsize.run._options import Options
from upsize.run._position import Counter
from upsize.run._reports import Reports
from upsize.run._run_plan import RunPlan
from upsize.run._sizes_ahead import SizesAhead
from upsize.run._state import State, read_state
from upsize.schedule import Plan, Size
from upsize.schedule._warn import warn

__all__ = ["TrainingRun"]


class TrainingRun:
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
        begin: Called with the plan at the first batch, before that is resized.
        is_trial: Whether the run is a short test, which need not reach full size.
        is_second: Whether ``saved`` is of an earlier run in this process. With images
            of another size than its full size, this run begins a plan of its own.
        by_steps: Whether training ends after a number of steps: a resumed run with
            other steps per epoch then continues at the same step, not epoch.

    Attributes:
        planned: Its plan, and the step that it is at.
        reader: Reads batches, and knows whether their loader has made them small.
        ahead: What loaders ask for, beside :meth:`sizes_ahead`.
        reports: What is said about batches, each thing once.

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
        begin: Callable[[Plan], object] | None = None,
        is_trial: bool = False,
        is_second: bool = False,
        by_steps: bool = False,
    ) -> None:
        told = say if options.verbose else None
        self.options = options
        self.planned = RunPlan(
            options,
            counter,
            saved=saved,
            models=models,
            say=told,
            is_trial=is_trial,
            is_second=is_second,
            by_steps=by_steps,
        )
        self.reader = BatchReader(options.resizer, self.planned)
        self.ahead = SizesAhead(self.planned, counter, options.resizer, self.reader)
        self.reports = Reports(self.planned, say, options.verbose)
        rule = options.merge_rule
        #: Which batches are merged; ``None``: none are.
        self.merging = None if rule is None else Merging(rule, told)
        self._unit, self._is_trial = counter.unit, is_trial
        self._report, self._begin = report, begin
        self._size: Size | None = None
        self._at_end: dict[Callable[[], object], None] = {}

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` until the full size is known."""
        return self.planned.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return self._size

    @property
    def mismatched(self) -> int:
        """Batches that a sized loader made at another size than their step's."""
        return self.reports.mismatched

    @property
    def wants_dry_run(self) -> bool:
        """Whether :meth:`preallocate` was asked for and not called yet."""
        return self.options.preallocate and self._size is None

    def step(self) -> int:
        """Return how many steps of the plan are done."""
        return self.planned.step()

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
        found = self.reader.read(batch)
        images = found.size
        size = self.size_for(images)
        new = batch
        # Not found.at(size), which would look at every target of a batch at full size.
        if images != size or self.reader.is_sized:
            new = self.reader.resized(batch, found, size)
        if not self.reports.is_described:
            self.reports.describe(found)
        return new

    def size_for(self, images: Size | None) -> Size:
        """Return the size of the current training batch, which is then trained on.

        For ways of training that resize the images themselves.

        Args:
            images: Size of its images, to check; ``None``: it is checked already.

        Raises:
            ValueError: As :meth:`train`.
        """
        planned = self.planned
        if planned.plan is None:
            assert images is not None  # only images can tell the full size
            planned.make(images)
        step, plan = planned.step(), planned.plan
        assert plan is not None
        if not planned.is_agreed:
            planned.agree()
        if self.reports.mismatched:
            self.reports.begin_step(step)
        size = plan.size_at(step)
        # Most batches of most runs are at full size, and asked for at full size.
        if images is not None and not images == size == plan.final_size:
            self._check_batch(images, size, plan)
        if self.options.follow is not None:
            self.options.follow.set(step)
        if size != self._size:
            self._change(size, step, plan)
        return size

    def validate(self, batch: Any) -> Any:
        """Return a validation batch; ``resize_valid``: at the last training size."""
        if self.plan is None or self._size is None or not self.options.resize_valid:
            return batch
        found = self.reader.read_other(batch, self.plan.final_size)
        size = self.validation_size(found.size)
        return batch if size == found.size else found.at(size)

    def validation_size(self, images: Size) -> Size:
        """Return the size that ``resize_valid`` gives validation images of a size.

        Warns:
            UserWarning: Once, when they do not have the full size.
        """
        assert self._size is not None
        self.reports.check_validation(images)
        return validation_size(images, self._size)

    def at_full_size(self, batch: Any) -> Any:
        """Return a batch at full size, for example for BatchNorm statistics."""
        found = self.reader.read(batch)
        plan = self.plan or self.planned.make(found.size)
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

        See :meth:`upsize.loop.ProgressiveResize.preallocate`.
        """
        found = self.reader.read(batch)
        plan = self.plan or self.planned.make(found.size)
        self._check_batch(found.size, found.size, plan)
        full = found.at(plan.final_size)
        if forward is None:
            image = self.options.resizer.read(full, full=plan.final_size).first
            dry_run(model, lambda: model(image), plan.final_size)
        else:
            dry_run(model, lambda: forward(model, full), plan.final_size)

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
        self.reader.draw_from(loaders, arrange)

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Return the sizes of the batches that a loader is about to draw, without end.

        Until the epoch ends, batches are expected at these sizes: they may be small,
        and are only resized if they differ.

        Args:
            batches: Batches in a pass over the loader, if that is known.
        """
        return self.ahead.sizes(batches)

    def end_epoch(self, next_step: int | None = None) -> None:
        """End a pass over a loader: the next batches may come from another one.

        Args:
            next_step: The first step of the plan's next epoch, which begins there also
                if this one was shorter; ``None``: where the counter is.
        """
        self.reader.end_epoch()
        if next_step is not None:
            self.planned.end_epoch(next_step)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values; empty until there is a plan.

        It holds no position: most frameworks keep that themselves.
        """
        return self.planned.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the plan of a saved run.

        See :meth:`upsize.loop.ProgressiveResize.load_state_dict`; the framework restores
        the position.
        """
        self.planned.resume(read_state(State, state))

    def tell_at_end(self, tell: Callable[[], object]) -> None:
        """Call a function when the run has ended without an exception."""
        self._at_end[tell] = None

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
        self.reports.end()
        for tell in self._at_end:
            tell()
        if self.plan is None or self._size is None or self._is_trial:
            return
        text = ended_early(self.plan, self._size, self._unit)
        if text is not None:
            warn(text)

    def _change(self, size: Size, step: int, plan: Plan) -> None:
        """Train at another size from now on."""
        is_first, self._size = self._size is None, size
        if is_first and self.merging is not None:
            self.merging.check(plan)
        if is_first and self._begin is not None:
            self._begin(plan)
        if self.options.empty_cache and torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self._report is not None and self.options.log is not None:
            self._report(self.options.log, max(size), step)

    def _check_batch(self, images: Size, size: Size, plan: Plan) -> None:
        """Check the images of a batch; a sized loader may make small ones."""
        is_sized = self.reader.is_sized
        if is_sized and images != size:
            self.reports.mismatch()
        self.reader.check_asked(images, size, plan.final_size)
        if not is_sized or (images != size and images not in plan.sizes):
            self.reports.check(images)
