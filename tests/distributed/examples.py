"""Run by torchrun in test_distributed.py: runs examples of docs/distributed.md.

An argument is the name of an example, and where its try ends, if it does not end by
itself: ``elastic:0@4:1@7`` kills rank 1 before step 4 of the first try and step 7 of the
next one; another example is only left there.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import warnings
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.adapters.torchrun import finish
from torch import distributed

from upsize.run import TrainingRun

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TRY = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
RANK = int(os.environ["RANK"])

_init, _train = distributed.init_process_group, TrainingRun.train


class StoppedError(Exception):
    """Ends a script in mid-epoch."""


class Example:
    """One run of an example, and what it trains on."""

    def __init__(self, argument: str) -> None:
        self.name, *ends = argument.split(":")
        tries = (end.split("@") for end in ends)
        self.end = {int(number): int(step) for number, step in tries}.get(TRY)
        # Of each batch: the step, and the width before and after.
        self.seen: list[tuple[int, int, int]] = []
        self.labels: list[list[int]] = []
        self.run: Any = None

    def train(self, run: TrainingRun, batch: Any) -> Any:
        """Train on a batch, and note it."""
        step, self.run = run.step(), run
        if step == self.end and self.name != "elastic":
            raise StoppedError
        if step == self.end and RANK == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        resized = _train(run, batch)
        self.seen.append((step, batch[0].shape[-1], resized[0].shape[-1]))
        self.labels.append(batch[1].tolist())
        if self.name == "elastic":  # now, as it may not live until its end
            said = {"rank": RANK, "try": TRY, "batch": self.seen[-1]}
            os.write(1, f"REPORT{json.dumps(said)}\n".encode())
        return resized

    def report(self) -> dict[str, Any]:
        """Run it; return what it has done."""
        TrainingRun.train = lambda *arguments: self.train(*arguments)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.filterwarnings("ignore", "'set_vital'")  # of torchdata
            try:
                found = runpy.run_path(str(EXAMPLES / f"distributed_{self.name}.py"))
            except StoppedError:
                found = {}
                distributed.destroy_process_group()
        resize = found.get("resize")
        return {
            "rank": RANK,
            "world": found.get("world"),
            "seen": self.seen,
            "labels": self.labels,
            "mismatched": self.run.mismatched,
            "planned": [self.run.plan.size_at(step).width for step, *_ in self.seen],
            "steps": resize and [resize.optimizer_steps, resize.plan.total_steps],
            "warned": [str(each.message) for each in caught],
            "weights": found and weights(found["model"]),
        }


def weights(model: Any) -> str:
    """Return the weights of a model; with FSDP, those that this process holds."""
    held = (each.detach() for each in model.parameters())
    local = (each.to_local() if hasattr(each, "to_local") else each for each in held)
    values = [each.flatten().tolist() for each in local]
    return sha256(json.dumps(values).encode()).hexdigest()


def own_store(name: str, backend: str) -> None:
    """Make a group in a store of its own; in the old one, gloo finds the old group."""
    store, rank, world = next(distributed.rendezvous("env://"))
    store = distributed.PrefixStore(name, store)
    _init(backend, store=store, rank=rank, world_size=world)


def main() -> list[dict[str, Any]]:
    reports = []
    for number, argument in enumerate(sys.argv[1:]):
        own = (
            None if argument.startswith("elastic") else partial(own_store, f"{number}")
        )
        distributed.init_process_group = own or _init
        reports.append(Example(argument).report())
    return reports


if __name__ == "__main__":
    finish(main())
