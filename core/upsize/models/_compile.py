"""Compile every size before training, and report what it cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch._dynamo.exc import FailOnRecompileLimitHit
from torch._dynamo.utils import counters

from upsize.models._dynamic import mark_dynamic
from upsize.models._probe import Forward, Probe, check_plan
from upsize.resize import Resizer
from upsize.run._compiled import is_compiled
from upsize.schedule import Plan, Size
from upsize.schedule._table import align

__all__ = ["PrewarmReport", "PrewarmRow", "prewarm"]


@dataclass(frozen=True)
class PrewarmRow:
    """Cost of compiling one size.

    Args:
        size: The planned size.
        graphs: Graphs compiled for it; 0 where an earlier graph serves.
        seconds: Time of the first forward and backward pass, with compilation.
        warm: Time of the second pass.
        compiled: Whether it runs compiled; ``False`` beyond the recompile limit.
    """

    size: Size
    graphs: int
    seconds: float
    warm: float
    compiled: bool = True


@dataclass(frozen=True)
class PrewarmReport:
    """Result of :func:`upsize.models.prewarm`, size by size.

    Args:
        rows: A row for each planned size, in order.
        limit: ``torch._dynamo.config.recompile_limit``, which counts the compilations of
            each function.
    """

    rows: tuple[PrewarmRow, ...]
    limit: int

    @property
    def ok(self) -> bool:
        """Whether every planned size runs compiled."""
        return all(row.compiled for row in self.rows)

    @property
    def graphs(self) -> int:
        """Number of graphs compiled for all sizes."""
        return sum(row.graphs for row in self.rows)

    @property
    def seconds(self) -> float:
        """Compilation time of all sizes: the first passes minus the second ones."""
        return sum(max(0.0, row.seconds - row.warm) for row in self.rows)

    def table(self) -> str:
        """Return a line for each size."""
        header = ("size", "graphs", "first (s)", "then (s)")
        cells = [
            (f"{row.size}", f"{row.graphs}", f"{row.seconds:.3f}", f"{row.warm:.3f}")
            if row.compiled
            else (f"{row.size}", "none: the recompile limit is reached", "-", "-")
            for row in self.rows
        ]
        return align([header, *cells])

    def __str__(self) -> str:
        text = (
            f"{self.table()}\n{self.graphs} graphs, {self.seconds:.1f} s of compilation; "
            f"recompile limit {self.limit}"
        )
        if not self.ok:
            text += (
                f"\nsome sizes would run uncompiled: give the schedule max_sizes="
                f"{self.limit}, mark sizes as dynamic, or raise "
                "torch._dynamo.config.recompile_limit"
            )
        return text


def prewarm(
    model: nn.Module,
    plan: Plan,
    sample: Any,
    *,
    forward: Forward | None = None,
    backward: bool = True,
    dynamic: bool = False,
    resizer: Resizer | None = None,
) -> PrewarmReport:
    """Compile a model for every planned size, in the plan's order, and leave no trace.

    Training then compiles nothing, or the report says which sizes will run uncompiled.
    Weights, buffers, ``.grad``, random state and the mode of every module stay
    bit-identical. Call it under the conditions of training: the same mode, autocast and
    batch size.

    Args:
        model: A model that torch.compile has wrapped, or that holds one.
        plan: Whose sizes are compiled.
        sample: A training batch of any size.
        forward: Called with the model and the batch at a planned size, returns the loss
            or other outputs; ``None``: the model is called with the first image.
        backward: Whether to compile the backward pass as well.
        dynamic: Whether to :func:`~upsize.models.mark_dynamic` each batch; then do so in
            training as well.
        resizer: How to find and resize the images of the batch.

    Returns:
        Seconds and graphs of each size.

    Raises:
        TypeError: When ``model`` is not a module or ``plan`` not a plan.
        ValueError: When nothing in the model is compiled, or the sample has no image.

    Example:
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=32, increase_by=8).plan(total_steps=100)
        >>> model = torch.compile(nn.Conv2d(3, 8, 3), backend="eager", dynamic=False)
        >>> report = prewarm(model, plan, torch.rand(2, 3, 32, 32))
        >>> [(str(row.size), row.graphs) for row in report.rows]
        [('16x16', 1), ('24x24', 1), ('32x32', 1)]
        >>> report.ok, report.graphs, report.limit
        (True, 3, 8)
    """
    plan = check_plan(plan)
    probe = Probe.make(model, sample, forward, resizer, backward)
    if not is_compiled(probe.model):
        raise ValueError(
            "nothing in the model is compiled: call torch.compile(model) first, and give "
            "prewarm what it returns"
        )
    rows = tuple(_compile(probe, size, dynamic) for size in plan.sizes)
    return PrewarmReport(rows, torch._dynamo.config.recompile_limit)


def _compile(probe: Probe, size: Size, dynamic: bool) -> PrewarmRow:
    """Run one size twice and count the graphs compiled."""
    batch = probe.batch_at(size)
    if dynamic:
        mark_dynamic(batch, resizer=probe.resizer)
    before = counters["stats"]["unique_graphs"]
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        try:
            # Beyond its limit dynamo silently runs without a graph.
            with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
                probe.run(batch, size)
        except FailOnRecompileLimitHit:
            return PrewarmRow(size, 0, 0.0, 0.0, compiled=False)
        _synchronize()
        seconds.append(time.perf_counter() - started)
    graphs = counters["stats"]["unique_graphs"] - before
    first, then = seconds
    return PrewarmRow(size, graphs, first, then)


def _synchronize() -> None:
    """Wait until the accelerator is idle."""
    if torch.accelerator.is_available():  # pragma: no cover - needs one
        torch.accelerator.synchronize()
