"""A loop of the user's own."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from tests.adapters.contract.ways.common import Job, Trained, Way
from tests.adapters.contract.ways.net import Net

from upsize.loading import sized
from upsize.loop import ProgressiveResize
from upsize.schedule import Grow

__all__ = ["Loop"]


class Loop(Way):
    """``upsize.loop``."""

    name = "loop"
    lacks: ClassVar = {
        "validation": "validation is the loop's own, and gets its own batches",
        "stages": "other stages are the loop's own",
        "two instances": "a loop calls those that it wants to",
        "second fit": "a loop makes a ProgressiveResize for each run",
        "full size of the images": "a loop names its full size",
        "errors of the model": "a loop runs the model, and upsize does not see its errors",
    }

    def fit(self, job: Job, net: Net, done: Trained) -> None:
        loader, optimizer = job.loaded(), net.optimizer()
        follow = None if job.follow is None else job.follow(net)
        done.snapshot.take(net=net, optimizer=optimizer, loader=loader)
        resize: Any = None
        if job.upsize:
            resize = ProgressiveResize(
                job.schedule, epochs=job.epochs, **self._epoch(job),
                accumulate=job.accumulate, merge=job.merge, final_size=job.final_size,
                resizer=self.resizer(job), follow=follow,
            )  # fmt: skip
            done.plan = resize.plan
        if job.loader != "plain":
            small = sized(loader, resize, set_size=job.set_size)
            loader = small if job.loader == "sized" else loader
        epoch, batch = self._resume(job, net, optimizer, resize)
        if job.preallocate:
            resize.preallocate(net, next(iter(loader)), forward=_forward)
        run = _Run(job, net, optimizer, resize, done)
        with follow or nullcontext():
            try:
                for _ in range(epoch, job.stop_after or job.epochs):
                    run.epoch(loader if batch == 0 else job.loaded(batch), batch)
                    batch = 0
                if job.upsize:
                    resize.finish()
            except BaseException:
                if job.save_failed:
                    done.failed = run.save("failed")
                raise
            finally:
                done.optimizer = momenta(optimizer)
                if job.upsize:
                    done.plan, done.mismatched = resize.plan, resize.mismatched

    def _epoch(self, job: Job) -> dict[str, Any]:
        """Return the length of an epoch, and what draws it."""
        if job.grow is None:
            return {"steps_per_epoch": job.batches}
        grow = job.grow
        if isinstance(grow, Grow):  # a loop itself knows the batch of its loader
            grow = grow.with_batch(job.batch)
        return {"samples_per_epoch": len(job.data), "batch_size": grow}  # type: ignore[arg-type]

    def _resume(self, job: Job, net: Net, optimizer: Any, resize: Any) -> Any:
        if job.resume is None:
            return 0, 0
        saved = torch.load(job.resume)
        if job.upsize:
            resize.load_state_dict(saved["resize"])
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["random"])
        return job.position(saved["resize"]["step"])

    def read_state(self, checkpoint: Path) -> Any:
        return torch.load(checkpoint)["resize"]

    def write_state(self, checkpoint: Path, state: Any) -> None:
        torch.save(torch.load(checkpoint) | {"resize": state}, checkpoint)


def momenta(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """Return copies of an optimizer's buffers."""
    states = optimizer.state_dict()["state"].values()
    return [each["momentum_buffer"].clone() for each in states]


def _forward(net: Any, batch: Any) -> Any:
    return net.loss(net(batch[0]), batch[1])


class _Run:
    """The loop itself."""

    def __init__(self, job: Job, net: Net, optimizer: Any, resize: Any, done: Trained):
        self.job, self.net, self.optimizer = job, net, optimizer
        self.resize, self.done, self.last = resize, done, None

    def epoch(self, loader: Any, first: int) -> None:
        job, net = self.job, self.net
        batches = self.resize.batches(loader) if job.upsize else loader
        for number, (images, labels) in enumerate(batches, first + 1):
            self.report()
            weight = 1 / job.accumulate
            ends = number % job.accumulate == 0 or number == job.batches
            if job.merge:
                weight, ends = self.resize.loss_weight, self.resize.ends_window
            torch.autograd.backward(net.loss(net(images), labels) * weight)
            if not ends:
                continue
            self.optimizer.step()
            self.optimizer.zero_grad()
            if job.save_every and net.seen.steps % job.save_every == 0:
                self.done.keep(net.seen.steps, self.save(net.seen.steps))

    def report(self) -> None:
        if self.job.upsize and self.resize.size != self.last:
            self.last = self.resize.size
            self.done.report(self.resize.optimizer_steps, max(self.resize.size))

    def save(self, name: object) -> Path:
        path = self.job.folder / f"{name}.pt"
        state = {
            "net": self.net.state_dict(), "optimizer": self.optimizer.state_dict(),
            "resize": self.resize.state_dict(), "random": torch.get_rng_state(),
        }  # fmt: skip
        torch.save(state, path)
        return path
