"""One training run, in any framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import nn

from upsize.run._dry_run import dry_run
from upsize.run._full_size import ended_early, validation_size
from upsize.run._lost_types import LostTypes, Reading
from upsize.run._made_again import check_sizes_asked, is_sized
from upsize.run._merge import Merging, MicroBatch
from upsize.run._options import Options
from upsize.run._position import Counter
from upsize.run._prepared import PreparedBatches
from upsize.run._ranks import check_ranks
from upsize.run._reports import Reports
from upsize.run._run_plan import RunPlan
from upsize.run._state import State, read_state
from upsize.schedule import Plan, Size
from upsize.schedule._warn import warn

__all__ = ["TrainingRun"]

Told = TypeVar("Told")


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
        self.options, self._counter = options, counter
        self._report, self._is_trial = report, is_trial
        self._lost = LostTypes(options.resizer)
        self._prepared = PreparedBatches()
        # Whether the current loader makes images at the size of their step: only such
        # a loader asks for the sizes of each pass, or a pipeline has them all.
        self._is_sized = self._has_sizes = False
        # Whether its dataset belongs to such a loader, whatever the loader is.
        self._has_sized_data = False
        self._agreed = False
        self._at_end: set[Callable[[], object]] = set()
        self._reports = Reports(say, options.verbose)
        self._size: Size | None = None
        rule = options.merge_rule
        #: Which batches are merged; ``None``: none are.
        self.merging = None if rule is None else Merging(rule)
        self._micro_batch: MicroBatch | None = None
        self._run_plan = RunPlan(
            options,
            counter,
            saved=saved,
            models=models,
            say=say,
            is_trial=is_trial,
            is_second=is_second,
            by_steps=by_steps,
        )

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` until the full size is known."""
        return self._run_plan.plan

    @property
    def size(self) -> Size | None:
        """Size of the last batch trained on; ``None`` before the first."""
        return self._size

    @property
    def mismatched(self) -> int:
        """Batches that a sized loader made at another size than their step's."""
        return self._reports.mismatched

    @property
    def accumulate(self) -> int:
        """Batches in an accumulation window; 1 where the counter does not know it."""
        return int(getattr(self._counter, "accumulate", 1))

    @property
    def micro_batch(self) -> MicroBatch:
        """What was trained on last: how many batches of the loader, and their weight."""
        return self._micro_batch or MicroBatch(1, 1 / self.accumulate)

    def note_micro_batch(
        self, batches: int, *, ends_window: bool | None = None
    ) -> None:
        """Note what is trained on now.

        Args:
            batches: Batches of the loader that it holds.
            ends_window: Whether an accumulation window ends with it.
        """
        self._micro_batch = MicroBatch(batches, batches / self.accumulate, ends_window)

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

    def describe(self, found: Reading) -> None:
        """Say what of the first training batch is resized, and what is left alone.

        For ways of training that resize the images themselves.

        Args:
            found: The batch, as the resizer read it.

        Raises:
            ValueError: When labels have the shape of images, and would be blended.

        Warns:
            UserWarning: When something is left that may hold pixels of the images; when
                nothing is printed, and something is left that may be an image.
        """
        self._reports.describe(found, self.plan)

    def step(self) -> int:
        """Return how many steps of the plan are done."""
        return self._run_plan.step()

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

    def sizes_ahead(self, batches: int | None = None) -> Iterator[Size]:
        """Return the sizes of the batches that a loader is about to draw, without end.

        Until the epoch ends, batches are expected at these sizes: they may be small,
        and are only resized if they differ.

        Args:
            batches: Batches in a pass over the loader, if that is known.
        """
        self._is_sized = True
        return map(self._sized, self._run_plan.sizes_ahead(batches))

    def windows_ahead(self, batches: int | None = None) -> Iterator[tuple[Size, int]]:
        """Return size and accumulation window of each batch that a loader draws.

        For loaders that make images small, and merge them.

        Args:
            batches: Batches in a pass over the loader, if that is known.

        Returns:
            Without end, the size and how many batches are left in the window, the batch
            included; 0: it is drawn and not trained on.
        """
        return map(self._sized, self._run_plan.windows(batches))

    def batches_ahead(self, batches: int | None) -> Iterator[tuple[Size, int]]:
        """Return size and images of each batch that a loader draws, without end.

        For plans that know their samples, and loaders that make images small.

        Args:
            batches: Batches in a pass over the loader, if that is known.
        """
        return map(self._sized, self._run_plan.batches_ahead(batches))

    def _sized(self, told: Told) -> Told:
        # Again for each batch: the pass of some loaders goes on through all epochs.
        self._is_sized = True
        return told

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values; empty until there is a plan.

        It holds no position: most frameworks keep that themselves.
        """
        return self._run_plan.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the plan of a saved run.

        Args:
            state: What :meth:`state_dict` returned. In a run of another length sizes
                never shrink, and full size is reached where this run's own plan reaches
                it.

        Raises:
            ValueError: Before anything changes, when it is not such a state, or has
                another schedule or full size.

        Warns:
            UserWarning: When the run has another length than the saved one.
        """
        self.resume(read_state(State, state))

    def resume(
        self,
        saved: State,
        *,
        at: Callable[[Plan], tuple[int, int]] | None = None,
    ) -> None:
        """Continue with the plan of a state that is read already.

        Args:
            saved: The state.
            at: Called with the plan to continue with; returns the step of the saved
                run, and that of the counter, which is another one if epochs have another
                length. ``None``: the counter continues from the saved step.
        """
        self._run_plan.resume(saved, at)
        self.expect_agreement()

    def agree(self) -> None:
        """Compare plan and step with those of the other processes, once.

        Raises:
            ValueError: In every process, when they differ.
        """
        if self._agreed:
            return
        plan = self.plan
        assert plan is not None  # a batch has made it, or a loop before
        check_ranks(plan, self.step(), self._counter)
        self._agreed = True

    def expect_agreement(self) -> None:
        """Compare plan and step with those of the other processes at the next batch.

        Every process of the run must ask for it, or those that do wait for the others.
        """
        self._agreed = False

    def expect_sizes(self) -> None:
        """Expect batches at the size of their step, whatever they come from."""
        self._is_sized = self._has_sizes = True

    def end_epoch(self) -> None:
        """End a pass over a loader: the next batches may come from another one."""
        self._is_sized = self._has_sizes

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

    def check(self, images: Size) -> None:
        """Compare the size of images with the full size.

        Raises:
            ValueError: When they are smaller.

        Warns:
            UserWarning: Once, when they are larger.
        """
        assert self.plan is not None
        self._reports.check(images, self.plan.final_size)

    def _change(self, size: Size, step: int) -> None:
        """Train at another size from now on."""
        self._size = size
        if self.options.empty_cache and torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self._report is not None and self.options.log is not None:
            self._report(self.options.log, max(size), step)
