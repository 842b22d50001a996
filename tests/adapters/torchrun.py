"""Run a script in two real processes over gloo, and what it says at its end."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import torch.distributed as dist
from tests.forked import Script

_PATIENCE = (60, 600)  # of each attempt; some 5 seconds are usual
_ENVIRONMENT = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
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
    """Give what each process has printed as JSON behind the word REPORT.

    The processes are those that torchrun would start, in all but their imports. Workers
    are forked there from processes that run threads of gloo and of autograd, and may
    inherit a lock that nobody will release: once seen to hang, in hundreds of runs. Such
    a run is made again.
    """
    for attempt, seconds in enumerate(_PATIENCE):
        # A file that another attempt has left is not found.
        place = Path.cwd() if cwd is None else cwd / f"attempt{attempt}"
        place.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder, suppress(TimeoutError):
            stdout, stderr = Path(folder, "stdout"), Path(folder, "stderr")
            ranks = Ranks(
                2,
                script,
                *arguments,
                cwd=place,
                stdout=stdout,
                stderr=stderr,
            )
            codes = ranks.wait(seconds)
            assert not any(codes), (codes, stderr.read_text()[-3000:])
            reports = reports_of(stdout.read_text())
            assert len(reports) == 2
            return reports
    raise TimeoutError(f"{script} has not ended in {_PATIENCE} seconds")


class Ranks(Script):
    """Processes of one training, with what torchrun tells each of them.

    Args:
        count: How many.
        script: The script that each of them runs.
        arguments: Its arguments.
        cwd: The folder to run in.
        stdout: The file that takes what they print.
        stderr: The file that takes what they say beside that.
        framework: What is imported before; that of the script's folder if empty.
    """

    def __init__(
        self, count: int, script: Path, *arguments: str, cwd: Path, stdout: Path,
        stderr: Path, framework: str = "",
    ) -> None:  # fmt: skip
        # Where they meet, as with torchrun: no port is chosen that another may take.
        self._store = dist.TCPStore(
            "127.0.0.1", 0, is_master=True, wait_for_workers=False
        )
        common = _ENVIRONMENT | {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self._store.port),
            "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "GROUP_RANK": "0",
            "TORCHELASTIC_RUN_ID": "tests", "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": "0", "TORCHELASTIC_MAX_RESTARTS": "0",
        }  # fmt: skip
        ranks = [{"RANK": f"{rank}", "LOCAL_RANK": f"{rank}"} for rank in range(count)]
        super().__init__(
            script, arguments, [common | rank for rank in ranks], cwd=cwd,
            stdout=stdout, stderr=stderr, framework=framework or script.parent.name,
        )  # fmt: skip


def reports_of(stdout: str) -> list[Any]:
    """Give what was printed as JSON behind the word REPORT."""
    decoder = json.JSONDecoder()
    return [decoder.raw_decode(text)[0] for text in stdout.split("REPORT")[1:]]


def start(
    script: Path, *arguments: str, cwd: Path, restarts: int = 0
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run a script in two processes by torchrun itself."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc_per_node", "2", "--max_restarts", str(restarts),
        str(script), *arguments,
    ]  # fmt: skip
    path = [str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, path))}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, check=False,
        env=os.environ | _ENVIRONMENT | paths, timeout=_PATIENCE[-1],
    )  # fmt: skip
