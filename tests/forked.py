"""Run scripts in processes that need not import the frameworks again.

A server imports what scripts need, once, and is forked for each process of a script: that
takes milliseconds, where the imports take seconds, in each process. The server trains
nothing, and has no thread and nothing of pytest.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import runpy
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
# What takes seconds to import, by the folder of what needs it.
_NEEDED = {
    "accelerate": ["accelerate", "torchvision.transforms.v2"],
    "fastai": ["accelerate", "fastai.vision.all"],
    "lightning": ["lightning.pytorch"],
    "transformers": ["transformers.trainer"],
}


class Script:
    """Processes that run a script, one for each environment.

    Args:
        file: The script, run as ``python FILE ARGUMENTS`` is.
        arguments: Its arguments.
        environments: Of each process, what it has beside our own environment.
        cwd: The folder to run in.
        stdout: The file that takes what they print.
        stderr: The file that takes what they say beside that.
        framework: What is imported before: ``"lightning"``, say. Only torch if empty.
    """

    def __init__(
        self, file: Path, arguments: Sequence[str], environments: Sequence[Mapping[str, str]],
        *, cwd: Path, stdout: Path, stderr: Path, framework: str = "",
    ) -> None:  # fmt: skip
        self._server = _server()
        order = {
            "file": str(file), "arguments": arguments, "cwd": str(cwd),
            "environments": [{**os.environ, **each} for each in environments],
            "outputs": [str(stdout), str(stderr)],
            # An optimizer imports the compiler.
            "modules": ["torch", "torch._dynamo", *_NEEDED.get(framework, [])],
        }  # fmt: skip
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        self.pids: list[int] = self._answer()

    def wait(self, seconds: float) -> list[int]:
        """Give the exit status of each process, negative for a signal.

        Once one has failed, the others are killed.

        Raises:
            TimeoutError: They run on after so long. They are killed.
        """
        if not select.select([self._server.stdout], [], [], seconds)[0]:
            self.kill()
            self._answer()
            raise TimeoutError(f"{self.pids} have not ended after {seconds} s")
        codes: list[int] = self._answer()
        return codes

    def kill(self) -> None:
        """Kill all processes at once, but those that have ended."""
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _answer(self) -> Any:
        assert self._server.stdout is not None
        return json.loads(self._server.stdout.readline())


@cache
def _server() -> subprocess.Popen[str]:
    paths = [str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )  # fmt: skip
    atexit.register(server.communicate)  # it ends with its input
    return server


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an import prints is no answer
    for line in sys.stdin:
        order = json.loads(line)
        for name in order["modules"]:
            import_module(name)
        # No collection in a script walks through them: some frameworks collect often.
        gc.freeze()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        outputs = [os.open(path, flags) for path in order["outputs"]]
        pids = []
        for environment in order["environments"]:
            pid = os.fork()
            if pid == 0:
                answers.close()
                _run(order, environment, outputs)
            pids.append(pid)
        for each in outputs:
            os.close(each)
        print(json.dumps(pids), file=answers, flush=True)
        print(json.dumps(_ends(pids)), file=answers, flush=True)


def _run(order: Any, environment: dict[str, str], outputs: list[int]) -> None:
    for number, each in enumerate((os.open(os.devnull, os.O_RDONLY), *outputs)):
        os.dup2(each, number)
        os.close(each)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(order["cwd"])
    # It draws the same numbers in each run, as a test does.
    seed = int(environment.get("UPSIZE_TEST_SEED", "0"))
    random.seed(seed)
    import_module("numpy").random.seed(seed)
    import_module("torch").manual_seed(seed)
    sys.argv = [order["file"], *order["arguments"]]
    sys.path[0] = str(Path(order["file"]).parent)
    runpy.run_path(order["file"], run_name="__main__")
    sys.exit()


def _ends(pids: list[int]) -> list[int]:
    codes: dict[int, int] = {}
    while len(codes) < len(pids):
        pid, status = os.wait()
        codes[pid] = os.waitstatus_to_exitcode(status)
        if codes[pid]:
            for other in set(pids) - set(codes):
                os.kill(other, signal.SIGKILL)
    return [codes[pid] for pid in pids]


if __name__ == "__main__":
    _serve()
