"""A Learner of fastai."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

from fastai.callback.core import Callback, CancelFitException
from fastai.callback.training import GradientAccumulation
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from tests.adapters.contract.ways.common import Job, Trained, Way
from tests.adapters.contract.ways.loop import momenta
from tests.adapters.contract.ways.net import Net
from torch.utils.data import IterableDataset

from upsize.fastai import ProgressiveResize, sized

__all__ = ["Fastai"]


class Watch(Callback):
    """Notes the size in the table of epochs, and saves and stops where asked to."""

    order = 90

    def __init__(self, job: Job, done: Trained) -> None:
        super().__init__()
        self.job, self.done = job, done

    def after_pred(self) -> None:
        if not self.training:
            self.done.outputs.append(self.pred.detach().clone())

    def after_epoch(self) -> None:
        epoch, recorder = self.epoch + 1, self.recorder
        if self.job.resume is not None and epoch <= int(self.job.resume.stem):
            return  # skipped
        names = list(recorder.metric_names)[1:-1]
        if "size" in names:
            row = recorder.values[-1]
            self.done.report(self.epoch * self.job.batches, row[names.index("size")])
        if self.job.save_every:
            path = self.learn.save(self.job.folder / str(epoch))
            self.done.keep(epoch * self.job.batches, path)
        if epoch == self.job.stop_after:
            raise CancelFitException


class Fastai(Way):
    """``upsize.fastai``."""

    name = "fastai"
    unit = "batches"
    lacks: ClassVar = {
        "a batch that grows": "fastai trains on as many batches in each epoch",
        "state": "fastai saves no state of callbacks: start_epoch= tells where to resume",
        "state after an error": "fastai saves no state of callbacks",
        "step in the state": "fastai saves no state of callbacks",
        "mid-epoch data": "fastai resumes between epochs",
        "crop": "fastai's own transforms shrink the images of a batch",
        "targets by their shape": "fastai tells targets from inputs, and has resize_targ",
    }
    stages = ("validate", "get_preds", "lr_find")

    def learner(self, job: Job, net: Net, done: Trained) -> Any:
        cbs: list[Any] = [Watch(job, done)]
        if job.accumulate > 1:
            cbs.append(GradientAccumulation(job.accumulate * job.batch))
        for _ in range(job.upsize + job.twice):
            self.resize = ProgressiveResize(
                schedule=job.schedule, final_size=job.final_size,
                resize_valid=job.resize_valid, preallocate=job.preallocate,
                resize_targ=job.masks, verbose=False,
                follow=None if job.follow is None else job.follow(net),
            )  # fmt: skip
            cbs.append(self.resize)
        loader = job.loaded()
        if job.loader != "plain":
            # A stream gives no sample that tells the full size.
            told = self.resize if isinstance(job.data, IterableDataset) else None
            small = sized(loader, told, set_size=job.set_size)
            loader = small if job.loader == "sized" else loader
        valid: Any = job.loaded(data=job.validation()) if job.validate else []
        made = Learner(
            DataLoaders(loader, valid, device="cpu"), net, loss_func=net.loss, lr=0.1,
            opt_func=OptimWrapper(opt=net.optimizer()), cbs=cbs, path=job.folder,
        )  # fmt: skip
        made.remove_cb(made.progress)
        made.logger = lambda *_: None
        return made

    def fit(self, job: Job, net: Net, done: Trained) -> None:
        made, start = self.learner(job, net, done), 0
        if job.resume is not None:
            made.load(job.resume.with_suffix(""))
            start = int(job.resume.stem)
        with ExitStack() as stack:
            done.snapshot.take(
                learner=made, dls=made.dls, loader=made.dls.train, net=net
            )
            stack.callback(self._note, job, made, done)
            for _ in range(job.fits):
                made.fit(job.epochs, start_epoch=start)

    def _note(self, job: Job, made: Any, done: Trained) -> None:
        done.reported = [
            row
            for n, row in enumerate(done.reported)
            if n == 0 or row[1] != done.reported[n - 1][1]
        ]
        done.optimizer = momenta(made.opt.opt)
        if job.upsize:
            done.plan, done.mismatched = self.resize.plan, self.resize.mismatched

    def stage(self, name: str, job: Job, net: Net, done: Trained) -> None:
        made = self.learner(job, net, done)
        if name == "lr_find":
            made.lr_find(num_it=6, show_plot=False, suggest_funcs=())
        else:
            getattr(made, name)(dl=job.loaded())
