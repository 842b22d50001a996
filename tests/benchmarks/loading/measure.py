"""Train with every method in turn, and measure where the time goes."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from tests.benchmarks.loading.methods import Method
from tests.benchmarks.loading.workloads import Workload, step_of, to_device

from upsize.demo._run import round_robin
from upsize.schedule import Plan

__all__ = ["Epoch", "Result", "measure"]


@dataclass(frozen=True)
class Epoch:
    """An epoch of a run; all times in seconds.

    Args:
        size: (height, width) in pixels of its batches.
        images: How many it trained on.
        total: Of training, without validation.
        wait: For the loader, of which ``first``: for the first batch.
        resize: Transfer to the device and resizing there.
        step: Forward, backward and optimizer.
        switch: What the first step took more than the median one.
        validation: At full size.
    """

    size: tuple[int, int]
    images: int
    total: float
    wait: float
    first: float
    resize: float
    step: float
    switch: float
    median_step: float
    validation: float


@dataclass(frozen=True)
class Result:
    """The runs of a method, each a list of epochs."""

    method: str
    ours: bool
    runs: list[list[Epoch]]

    def seconds(self) -> list[float]:
        """Return the time of training of each run."""
        return [sum(epoch.total for epoch in run) for run in self.runs]

    def median(self, part: str) -> float:
        """Return the median over the runs of a part of the time."""
        return statistics.median(
            sum(getattr(epoch, part) for epoch in run) for run in self.runs
        )

    def rate(self, size: tuple[int, int]) -> float:
        """Return the images per second at a size, the median over epochs."""
        return statistics.median(
            epoch.images / epoch.total
            for run in self.runs
            for epoch in run
            if epoch.size == size
        )

    def switches(self) -> list[float]:
        """Return what each change of size took, in median steps at the new size."""
        return [
            after.switch / after.median_step
            for run in self.runs
            for before, after in itertools.pairwise(run)
            if before.size != after.size
        ]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _validate(work: Workload, model: torch.nn.Module) -> float:
    begin = time.perf_counter()
    model.eval()
    with torch.inference_mode():
        for batch in work.validation():
            images, _ = to_device(batch, work.setting)
            model(images)
    model.train()
    if work.setting.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def _run(work: Workload, method: Method, plan: Plan) -> Iterator[Epoch]:
    """Train along the plan, and yield after each epoch."""
    feed = method.feed(work, plan)
    model = work.new_model()
    step, setting = step_of(model, work.setting), work.setting
    expected = 0
    for number in range(int(plan.epochs or 0)):
        waits, resizes, steps = [], [], []
        images = None
        clock = begin = time.perf_counter()
        for batch in feed.epoch(number):
            now = time.perf_counter()
            waits.append(now - clock)
            images, labels = to_device(batch, setting)
            images = feed.resize(images)
            if setting.is_cuda:
                torch.cuda.synchronize()
            done = time.perf_counter()
            resizes.append(done - now)
            step(images, labels)
            clock = time.perf_counter()
            steps.append(clock - done)
            wanted = plan.final_size
            if not method.name.startswith("full size"):
                wanted = plan.size_at(expected)
            assert images.shape[-2:] == wanted, (method.name, images.shape, wanted)
            expected += 1
        assert images is not None
        total = time.perf_counter() - begin
        usual = statistics.median(steps)
        yield Epoch(
            size=(int(images.shape[-2]), int(images.shape[-1])),
            images=len(steps) * setting.batch_size,
            total=total,
            wait=sum(waits),
            first=waits[0],
            resize=sum(resizes),
            step=sum(steps),
            switch=steps[0] - usual,
            median_step=usual,
            validation=_validate(work, model),
        )
    assert expected == plan.total_steps
    feed.end()


def measure(
    work: Workload, runs: Sequence[tuple[Method, Plan]], repeats: int
) -> list[Result]:
    """Train in every way, an epoch each in turn, several times.

    The order of the turns is another one in each repeat.

    Args:
        work: The workload.
        runs: Methods, each of another name, with their plans.
        repeats: How often.
    """
    done: dict[str, list[list[Epoch]]] = {method.name: [] for method, _ in runs}
    for repeat in range(repeats):
        first = repeat % len(runs)
        turned = [*runs[first:], *runs[:first]]
        trained = round_robin(
            {each.name: _run(work, each, plan) for each, plan in turned}
        )  # type: ignore[type-var]
        for name, epochs in trained.items():
            done[name].append(epochs)  # type: ignore[arg-type]
        print(f"  {work.name}: {repeat + 1} of {repeats}", flush=True)
    return [Result(each.name, each.ours, done[each.name]) for each, _ in runs]
