"""Run a script in two real processes over gloo, and what it says at its end."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import torch.distributed as dist

_ATTEMPTS = 2
_SECONDS = 200  # some 10 are usual
_ROOT = Path(__file__).parents[2]


def finish(report: Any) -> NoReturn:
    """Print what a process has to report, and end it when the other one has, too.

    Without Python's own end: what still holds the process group is let go of there at
    some time or other, and gloo's threads may then end it by SIGABRT, though all is
    done; seen once in some hundreds of runs.
    """
    print(f"REPORT{json.dumps(report)}", flush=True)
    if dist.is_initialized():
        dist.barrier()
    for worker in multiprocessing.active_children():
        worker.terminate()  # else it holds our output open until it misses us
    os._exit(0)


def two_reports(script: Path, *arguments: str, cwd: Path | None = None) -> list[Any]:
    """Give what each process has printed as JSON behind the word REPORT."""
    done = start(script, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr[-3000:]
    reports = reports_of(done.stdout)
    assert len(reports) == 2
    return reports


def reports_of(stdout: str) -> list[Any]:
    """Give what was printed as JSON behind the word REPORT."""
    decoder = json.JSONDecoder()
    return [decoder.raw_decode(text)[0] for text in stdout.split("REPORT")[1:]]


def start(
    script: Path, *arguments: str, cwd: Path | None = None, processes: int = 2,
    restarts: int = 0,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a script by torchrun.

    Workers are forked here from processes that run threads of gloo and of autograd, and
    may inherit a lock that nobody will release: once seen to hang, in hundreds of runs.
    Such a run is made again.
    """
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc_per_node", str(processes), "--max_restarts", str(restarts),
        str(script), *arguments,
    ]  # fmt: skip
    paths = [str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    for attempt in range(1, _ATTEMPTS + 1):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
            env=os.environ | environment,
        )  # fmt: skip
        try:
            stdout, stderr = process.communicate(timeout=_SECONDS)
            break
        except subprocess.TimeoutExpired:
            process.terminate()  # it ends its processes in turn
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=40)
            process.kill()
            if attempt == _ATTEMPTS:
                raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
