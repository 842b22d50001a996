"""The plan of a training run, and what loaders ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from upsize.run._options import Options
from upsize.run._position import Counter
from upsize.run._ranks import check_ranks
from upsize.run._run_plan import RunPlan
from upsize.run._state import State, read_state
from upsize.schedule import Plan, Size

__all__ = ["RunSizes"]

Told = TypeVar("Told")


class RunSizes:
    """The sizes of a training run: planned, saved and resumed, and told to loaders.

    Args:
        options: What the user asks for.
        counter: Holds the length of the run and how many steps are done.
        run_plan: Makes its plan.
    """

    def __init__(self, options: Options, counter: Counter, run_plan: RunPlan) -> None:
        self.options, self._counter, self._run_plan = options, counter, run_plan
        # Whether the current loader makes images at the size of their step: only such
        # a loader asks for the sizes of each pass, or a pipeline has them all.
        self._is_sized = self._has_sizes = False
        self._agreed = False

    @property
    def plan(self) -> Plan | None:
        """The plan, the size of every step; ``None`` until the full size is known."""
        return self._run_plan.plan

    def step(self) -> int:
        """Return how many steps of the plan are done."""
        return self._run_plan.step()

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

    def expect_sizes(self) -> None:
        """Expect batches at the size of their step, whatever they come from."""
        self._is_sized = self._has_sizes = True

    def end_epoch(self) -> None:
        """End a pass over a loader: the next batches may come from another one."""
        self._is_sized = self._has_sizes

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
