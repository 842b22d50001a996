"""Real processes that are killed at any moment, and go on as if they had not been."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
import torch
from tests.adapters.torchrun import Ranks
from tests.forked import Script
from torch import Tensor

SCRIPT = Path(__file__).with_name("killed.py")
# Where a framework resumes only between epochs, of five batches, it saves there.
SAVES = {"loop": 1, "accelerate": 1, "transformers": 2, "lightning": 5, "fastai": 5}
WIDTHS = [16] * 10 + [24] * 5 + [32] * 5
SECONDS = 300  # a guard against hanging; some 10 are usual


@dataclass
class Run:
    """What a process has said."""

    batches: dict[int, int] = field(default_factory=dict)  # width by step
    kept: tuple[int, str] = (0, "")
    weights: dict[str, Tensor] = field(default_factory=dict)


def run(
    name: str, folder: Path, *, start: tuple[int, str] = (0, ""), kill_at: Any = None,
    ranks: int = 1, whole: Path | None = None,
) -> list[Run]:  # fmt: skip
    """Train in processes of their own, which are killed some time after a batch.

    With the folder ``whole``, they then train there from the beginning.
    """
    folder.mkdir(exist_ok=True)
    # Where it waits for us, so that it never comes to its end before.
    last = -1 if kill_at is None else kill_at[0] + 2
    arguments = [
        name,
        str(folder),
        str(SAVES[name]),
        start[1],
        str(start[0]),
        str(last),
    ]
    if whole is not None:
        whole.mkdir()
        arguments.append(str(whole))
    pipe, errors = folder.with_suffix(".said"), folder.with_suffix(".errors")
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    # Without waiting for who writes: it is there when the script has begun.
    lines = os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
    common: Any = {"cwd": folder, "stdout": pipe, "stderr": errors, "framework": name}
    if ranks > 1:
        script: Script = Ranks(ranks, SCRIPT, *arguments, **common)
    else:
        script = Script(SCRIPT, arguments, [{"ACCELERATE_USE_CPU": "true"}], **common)
    os.set_blocking(lines.fileno(), True)
    runs, said = [], Run()
    guard = Timer(SECONDS, script.kill)
    guard.start()
    with lines:
        for line in lines:
            kind, *words = line.split(maxsplit=2)
            if kind == "batch":
                said.batches[int(words[0])] = int(words[1])
                if kill_at is not None and int(words[0]) == kill_at[0]:
                    time.sleep(kill_at[1])
                    script.kill()
            elif kind == "kept":
                said.kept = int(words[0]), words[1].strip()
            elif kind == "end":
                said.weights = torch.load(words[0].strip())
                runs.append(said)
                said = Run()
    ends = script.wait(SECONDS)
    guard.cancel()
    if kill_at is None:
        assert not any(ends), errors.read_text("utf-8")[-3000:]
    else:
        assert set(ends) == {-signal.SIGKILL}, errors.read_text("utf-8")[-3000:]
        assert not runs
    return runs or [said]


def check(name: str, folder: Path, seed: int, ranks: int = 1) -> None:
    """Compare a training that is killed and resumed with one that is not."""
    draw = random.Random(seed)
    step = draw.randrange(SAVES[name] + 1, 17)
    moment = step, draw.random() * 0.02
    (killed,) = run(name, folder / "killed", kill_at=moment, ranks=ranks)
    done = killed.kept
    assert 0 < done[0] <= step + 2
    rest, whole = run(
        name, folder / "killed", start=done, ranks=ranks, whole=folder / "whole"
    )
    planned = dict(enumerate(WIDTHS))
    assert whole.batches == planned
    assert killed.batches.items() <= planned.items()
    assert rest.batches == {k: v for k, v in planned.items() if k >= done[0]}
    assert rest.weights.keys() == whole.weights.keys()
    assert whole.weights
    for key, value in whole.weights.items():
        assert torch.equal(rest.weights[key], value), key


@pytest.mark.parametrize("name", SAVES)
def test_killed_and_resumed(name: str, tmp_path: Path) -> None:
    check(name, tmp_path, seed=list(SAVES).index(name))


def test_two_ranks_killed_and_resumed(tmp_path: Path) -> None:
    check("accelerate", tmp_path, seed=7, ranks=2)
