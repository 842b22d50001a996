"""What a claim asks of a training, and what a training has to show for it."""

from __future__ import annotations

import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from tests.adapters.contract.ways.net import Net, Seen
from tests.adapters.contract.ways.snapshot import Snapshot
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from upsize.resize import Resizer
from upsize.schedule import Plan, Ramp, Size

__all__ = ["BATCH", "BATCHES", "FULL", "RAMP", "Job", "Trained", "Way", "labelled"]

BATCH, BATCHES, FULL = 4, 5, Size(32, 32)
RAMP = Ramp(final_size=32, increase_by=8)  # 16, 24, 32


def labelled(side: int = 32, count: int = BATCH * BATCHES) -> Dataset[Any]:
    """Give random images, each with one of two labels."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, side, side, generator=generator)
    return TensorDataset(images, torch.randint(2, (count,), generator=generator))


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training: the same for every framework."""

    folder: Path
    data: Dataset[Any] = field(default_factory=labelled)
    batch: int = BATCH
    ranks: int = 1
    epochs: int = 4
    accumulate: int = 1
    merge: Any = False
    grow: Any = None  # how the batch grows
    exact: bool = False  # in float64, and each image by itself
    dropout: float = 0.0
    validate: bool = False  # after each epoch
    valid_side: int = 32  # of the validation images

    upsize: bool = True
    schedule: Any = RAMP
    final_size: int | tuple[int, int] | None = None
    masks: bool = False  # whether the labels are masks, which follow the images
    crop: bool = False  # whether windows are cut out instead
    resize_valid: bool = False
    preallocate: bool = False
    follow: Callable[[Net], Any] | None = None
    # "elsewhere": another loader is sized for the same run, and this one trains.
    loader: Literal["plain", "sized", "elsewhere"] = "plain"
    set_size: Callable[[Any, Size], None] | None = None
    twice: bool = False  # with two instances of ProgressiveResize
    fits: int = 1

    stop_after: int | None = None  # epochs after which training ends by itself
    fail_at: int | None = None  # the batch that raises
    error: type[BaseException] = RuntimeError
    save_every: int | None = None  # in optimizer steps
    save_failed: bool = False  # what the error has left
    kept: Callable[[int, Path], None] | None = None  # told of each whole checkpoint
    resume: Path | None = None
    before: Job | None = None  # the run that it resumes; None: one like this

    @property
    def batches(self) -> int:
        """Batches in an epoch, in each process."""
        count = len(self.data) if hasattr(self.data, "__len__") else BATCH * BATCHES
        return -(-count // (self.batch * self.ranks))

    def loaded(
        self, skip: int = 0, data: Dataset[Any] | None = None
    ) -> DataLoader[Any]:
        """Return the batches of an epoch, or what is left of them; or of other data.

        Args:
            skip: Batches that are done.
            data: The other data.
        """
        data = self.data if data is None else data
        if skip:
            data = Subset(data, range(skip * self.batch, len(data)))  # type: ignore[arg-type]
        # Its own generator: to iterate draws nothing from the global one.
        return DataLoader(data, self.batch, generator=torch.Generator())

    def validation(self) -> Dataset[Any]:
        """Return the validation images."""
        return self.data if self.valid_side == 32 else labelled(self.valid_side)

    def position(self, step: int) -> tuple[int, int]:
        """Return the epoch and the batch in it that follow steps of the run before."""
        was = self.before or self
        epoch, windows = divmod(step, -(-was.batches // was.accumulate))
        if self.before is None:
            return epoch, windows * self.accumulate
        # As many samples as are done, in whole batches.
        theirs, mine = (len(job.data) for job in (was, self))  # type: ignore[arg-type]
        done = windows * was.accumulate * was.batch
        return epoch, done * mine // (theirs * self.batch)


@dataclass
class Trained:
    """What a training shows afterwards, however it has ended."""

    net: Net
    kept: Callable[[int, Path], None] | None = None
    plan: Plan | None = None
    mismatched: int = 0
    reported: list[tuple[int, int]] = field(default_factory=list)
    checkpoints: dict[int, Path] = field(default_factory=dict)  # by optimizer steps
    failed: Path | None = None  # the checkpoint after the error
    warnings: list[str] = field(default_factory=list)
    error: BaseException | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)
    optimizer: list[Tensor] = field(default_factory=list)
    random: Tensor = field(default_factory=torch.get_rng_state)
    outputs: list[Tensor] = field(default_factory=list)  # of stages but training
    snapshot: Snapshot = field(default_factory=Snapshot)

    @property
    def seen(self) -> Seen:
        """What the model was given."""
        return self.net.seen

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """The (height, width) of each batch that was trained on."""
        return [batch.size for batch in self.seen.trained]

    @property
    def widths(self) -> list[int]:
        """The width alone."""
        return [width for _, width in self.sizes]

    def said(self, words: str) -> list[str]:
        """Return the warnings of upsize with these words."""
        return [text for text in self.warnings if words in text]

    def keep(self, step: int, checkpoint: Path) -> None:
        """Note that a checkpoint is whole."""
        self.checkpoints[step] = checkpoint
        if self.kept is not None:
            self.kept(step, checkpoint)

    def report(self, step: int, side: float) -> None:
        """Note what was logged."""
        self.reported.append((step, int(side)))


class Way(ABC):
    """One way of training: a thin harness around the real framework."""

    name: ClassVar[str]
    #: What its plan counts, where a window has more than one batch.
    unit: ClassVar[Literal["optimizer steps", "batches"]] = "optimizer steps"
    #: What it continues at where an epoch has other steps than before.
    resumes_at: ClassVar[Literal["epoch", "step"]] = "epoch"
    #: Where the labels are in its batches.
    labels: ClassVar[str | int] = 1
    #: What it has no part in, and why.
    lacks: ClassVar[dict[str, str]] = {}
    #: Its stages besides training.
    stages: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def fit(self, job: Job, net: Net, done: Trained) -> None:
        """Train, and note in ``done`` what the job asks for."""

    def stage(self, name: str, job: Job, net: Net, done: Trained) -> None:
        """Run one of ``stages``."""
        raise NotImplementedError

    def read_state(self, checkpoint: Path) -> Any:
        """Return what upsize has written into a checkpoint."""
        raise NotImplementedError

    def write_state(self, checkpoint: Path, state: Any) -> None:
        """Put something else in its place."""
        raise NotImplementedError

    def train(self, job: Job) -> Trained:
        """Train without an error."""
        done = self._run(job, self.fit)
        if done.error is not None:
            raise done.error
        return done

    def fail(self, job: Job) -> Trained:
        """Train into an error."""
        done = self._run(job, self.fit)
        assert done.error is not None, "there was no error"
        return done

    def run_stage(self, name: str, job: Job) -> Trained:
        """Run something else than training."""
        done = self._run(job, lambda *run: self.stage(name, *run))
        if done.error is not None:
            raise done.error
        return done

    def resizer(self, job: Job) -> Resizer:
        """Return what finds the images, and the masks if there are any."""
        targets = {self.labels: "mask"} if job.masks else {}
        return Resizer(mode="crop" if job.crop else "bilinear", targets=targets)

    def steps(self, done: Trained) -> list[int]:
        """Return the steps done at each batch, in the plan's unit."""
        if self.unit == "optimizer steps":
            return [batch.step for batch in done.seen.trained]
        first: dict[int, int] = {}
        for index, batch in enumerate(done.seen.trained):
            first.setdefault(batch.step, index)
        return [first[batch.step] for batch in done.seen.trained]

    def _run(self, job: Job, run: Callable[[Job, Net, Trained], None]) -> Trained:
        torch.manual_seed(0)
        net = Net(job.dropout, exact=job.exact, fail_at=job.fail_at, error=job.error)
        done = Trained(net, job.kept)
        with _words_of_upsize(done.warnings):
            try:
                run(job, net, done)
            except (Exception, KeyboardInterrupt, SystemExit) as error:
                done.error = error
        done.random = torch.get_rng_state()
        done.weights = {k: v.detach().clone() for k, v in net.state_dict().items()}
        done.snapshot.end()
        return done


@contextmanager
def _words_of_upsize(texts: list[str]) -> Iterator[None]:
    """Collect the warnings that upsize gives; those of the frameworks are not ours."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        frame: Any = sys._getframe(1)
        while frame.f_globals["__name__"] == "warnings":
            frame = frame.f_back
        if frame.f_globals["__name__"].startswith("upsize."):
            texts.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield
