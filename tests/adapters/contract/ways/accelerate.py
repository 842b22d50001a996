"""A loop with an Accelerator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from tests.adapters.contract.ways.common import Job, Trained, Way
from tests.adapters.contract.ways.loop import momenta
from tests.adapters.contract.ways.net import Net

from upsize.accelerate import ProgressiveResize, sized

__all__ = ["Accelerate"]


class Tracker(GeneralTracker):
    """Notes what is logged."""

    name = "memory"
    requires_logging_directory = False

    def __init__(self, done: Trained) -> None:
        super().__init__()
        self.done = done

    @property
    def tracker(self) -> Trained:
        return self.done

    def log(self, values: Any, step: int | None = None, **_: Any) -> None:
        assert step is not None
        self.done.report(step, values["image_size"])


class Accelerate(Way):
    """``upsize.accelerate``."""

    name = "accelerate"
    lacks: ClassVar = {
        "validation": "validation is the loop's own, and gets its own batches",
        "stages": "other stages are the loop's own",
        "full size of the images": "a loop names its full size",
    }

    def fit(self, job: Job, net: Net, done: Trained) -> None:
        accelerator = Accelerator(
            cpu=True, gradient_accumulation_steps=job.accumulate,
            log_with=Tracker(done),
        )  # fmt: skip
        accelerator.init_trackers("run")
        model, optimizer, loader = accelerator.prepare(
            net, net.optimizer(), job.loaded()
        )
        done.snapshot.take(
            accelerator=accelerator, net=net, loader=loader, optimizer=optimizer
        )
        for _ in range(job.fits):
            self._fit(job, done, accelerator, model, optimizer, loader)

    def _fit(
        self, job: Job, done: Trained, accelerator: Any, net: Any, optimizer: Any,
        loader: Any,
    ) -> None:  # fmt: skip
        resize: Any = None
        for _ in range(job.upsize + job.twice):
            resize = ProgressiveResize(
                job.schedule, accelerator, loader=loader, epochs=job.epochs,
                final_size=job.final_size, resizer=self.resizer(job), verbose=False,
                merge=job.merge, batch_size=job.grow,
                follow=None if job.follow is None else job.follow(done.net),
            )  # fmt: skip
        if job.upsize:
            done.plan = resize.plan
        epoch, batch = self._resume(job, accelerator)
        plain = loader
        if job.loader != "plain":
            small = sized(loader, resize, set_size=job.set_size)
            loader = small if job.loader == "sized" else loader
        if job.preallocate:
            resize.preallocate(done.net, next(iter(job.loaded())), forward=_forward)
        try:
            for _ in range(epoch, job.stop_after or job.epochs):
                part = accelerator.skip_first_batches(plain, batch) if batch else loader
                self._epoch(job, done, accelerator, net, optimizer, resize, part)
                batch = 0
            if job.upsize:
                resize.finish()
        except BaseException:
            if job.save_failed:
                done.failed = job.folder / "failed"
                accelerator.save_state(str(done.failed))
            raise
        finally:
            done.optimizer = momenta(optimizer.optimizer)
            if job.upsize:
                done.plan, done.mismatched = resize.plan, resize.mismatched
                resize.remove()

    def _epoch(
        self, job: Job, done: Trained, accelerator: Any, net: Any, optimizer: Any,
        resize: Any, loader: Any,
    ) -> None:  # fmt: skip
        for images, labels in resize.batches(loader) if job.upsize else loader:
            with accelerator.accumulate(net):
                accelerator.backward(done.net.loss(net(images), labels))
                optimizer.step()
                optimizer.zero_grad()
            steps = done.seen.steps
            if accelerator.sync_gradients and steps % (job.save_every or 1000) == 0:
                accelerator.save_state(str(job.folder / str(steps)))
                done.keep(steps, job.folder / str(steps))

    def _resume(self, job: Job, accelerator: Any) -> tuple[int, int]:
        if job.resume is None:
            return 0, 0
        accelerator.load_state(str(job.resume))
        return job.position(self.read_state(job.resume)["step"])

    def read_state(self, checkpoint: Path) -> Any:
        return json.loads((checkpoint / "upsize.json").read_text())

    def write_state(self, checkpoint: Path, state: Any) -> None:
        (checkpoint / "upsize.json").write_text(json.dumps(state))


def _forward(net: Any, batch: Any) -> Any:
    return net.loss(net(batch[0]), batch[1])
