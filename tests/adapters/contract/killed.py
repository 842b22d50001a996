"""Run by test_killed.py: trains, and says each batch and each checkpoint aloud.

Lines are ``batch STEP WIDTH`` before the batch is trained on, ``kept STEP PATH`` when a
checkpoint is whole, and at last ``end`` with the name of a file of the weights. With a
last argument it then trains again, from the beginning and in that folder.
"""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from accelerate.state import AcceleratorState, GradientState, PartialState
from tests.adapters.contract.ways.common import BATCH, BATCHES, Job, Way, labelled


def train(
    name: str, folder: Path, every: int, resume: Path | None, start: int, last: int
) -> None:
    module = import_module(f"tests.adapters.contract.ways.{name}")
    way: Way = getattr(module, name.capitalize())()

    def kept(step: int, path: Path) -> None:
        if dist.is_initialized():
            dist.barrier()  # each process has written its part
        say("kept", start + step, path)

    def watch(net: Any, args: Any) -> None:
        if not hasattr(net, "seen"):
            return
        step = start + net.seen.steps
        say("batch", step, args[0].shape[-1])
        # Time to be killed in; who waits to be killed never comes to the end.
        time.sleep(1000 if step == last else 0.02)

    ranks = 2 if dist.is_torchelastic_launched() else 1
    data = labelled(count=BATCH * BATCHES * ranks)
    job = Job(
        folder=folder,
        data=data,
        ranks=ranks,
        save_every=every,
        kept=kept,
        resume=resume,
    )
    hook = torch.nn.modules.module.register_module_forward_pre_hook(watch)
    done = way.train(job)
    hook.remove()
    if _first():
        torch.save(done.weights, folder / "weights.pt")
    say("end", folder / "weights.pt")


def main() -> None:
    name, folder, every, resume, start, last, *whole = sys.argv[1:]
    path = Path(resume) if resume else None
    train(name, Path(folder), int(every), path, int(start), int(last))
    if whole:
        for state in (AcceleratorState, GradientState, PartialState):
            state._reset_state()  # or it goes on from the steps of the run before
        os.chdir(whole[0])
        train(name, Path(whole[0]), int(every), None, 0, -1)
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def say(*words: object) -> None:
    if _first():
        print(*words, flush=True)


def _first() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0


if __name__ == "__main__":
    main()
