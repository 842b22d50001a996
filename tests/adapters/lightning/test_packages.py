"""One class per package; LightningCLI; two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import pytorch_lightning as pl
from lightning.pytorch.cli import LightningCLI
from tests.adapters.lightning.tools import Module, fit, loader, planned
from tests.forked import Script

import upsize.lightning
from upsize.schedule import Linear, Phases, Ramp, load


def test_each_package_has_its_class() -> None:
    assert issubclass(upsize.lightning.LightningProgressiveResize, L.Callback)
    assert issubclass(upsize.lightning.PytorchLightningProgressiveResize, pl.Callback)
    assert (
        upsize.lightning.ProgressiveResize
        is upsize.lightning.LightningProgressiveResize
    )
    with pytest.raises(AttributeError, match="'Nothing'"):
        _ = upsize.lightning.Nothing


L_NAME, PL_NAME = "LightningProgressiveResize", "PytorchLightningProgressiveResize"


@pytest.mark.parametrize(
    ("loaded", "installed", "name"),
    [
        ([], ["lightning", "pytorch_lightning"], L_NAME),
        ([], ["pytorch_lightning"], PL_NAME),
        (["pytorch_lightning"], ["lightning", "pytorch_lightning"], PL_NAME),
        (["lightning", "pytorch_lightning"], ["lightning"], L_NAME),
    ],
)
def test_the_default_is_the_package_in_use(
    loaded: list[str],
    installed: list[str],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for package in ("lightning", "pytorch_lightning"):
        if package not in loaded:
            monkeypatch.delitem(sys.modules, package)
    monkeypatch.setattr(
        "upsize.lightning.find_spec", lambda name: name if name in installed else None
    )
    assert upsize.lightning._default() == name


@pytest.mark.parametrize("name", ["ProgressiveResize", L_NAME, PL_NAME])
def test_without_lightning(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("lightning", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r'pip install "upsize\[lightning\]"'):
        getattr(upsize.lightning, name)


STANDALONE = """
import json, sys, torch, warnings
import pytorch_lightning as pl
from torch import nn
from upsize.lightning import ProgressiveResize
from upsize.schedule import Ramp

assert "lightning" not in sys.modules
assert issubclass(ProgressiveResize, pl.Callback)

class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(3, 2, 3)
        self.widths = []
    def training_step(self, batch, batch_idx):
        self.widths.append(batch[0].shape[-1])
        return self.net(batch[0]).mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

data = torch.utils.data.TensorDataset(torch.rand(20, 3, 32, 32))
resize = ProgressiveResize(Ramp(increase_by=8), verbose=False)
module = Module()
pl.Trainer(
    max_epochs=4, callbacks=[resize], accelerator="cpu", logger=False,
    enable_checkpointing=False, enable_progress_bar=False,
).fit(module, torch.utils.data.DataLoader(data, batch_size=4))
planned = [resize.plan.size_at(n).width for n in range(20)]
print("REPORT" + json.dumps([module.widths, planned]))
"""


def test_pytorch_lightning_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STANDALONE], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-2000:]
    widths, wanted = json.loads(done.stdout.split("REPORT")[1])
    assert widths == wanted
    assert set(widths) == {16, 24, 32}


CONFIG = """
trainer:
  max_epochs: 4
  accelerator: cpu
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  enable_model_summary: false
  callbacks:
    - class_path: upsize.lightning.ProgressiveResize
      init_args:
        schedule: {schedule}
        verbose: false
        resize_valid: true
"""


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        (
            "{kind: ramp, initial_size: 16, start: 2, finish: '75%', increase_by: 16}",
            Ramp(initial_size=16, start=2, finish="75%", increase_by=16),
        ),
        ("{kind: linear, multiple_of: 8}", Linear(multiple_of=8)),
        (
            "{kind: phases, phases: [[0, 16], ['50%', 32]]}",
            Phases(phases=[(0, 16), ("50%", 32)]),
        ),
        ("", Ramp()),
    ],
)
def test_lightning_cli(
    text: str, schedule: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py"])
    path = tmp_path / "config.yaml"
    given = CONFIG.replace("{schedule}", text)
    path.write_text(given if text else CONFIG.replace("schedule: {schedule}", ""))
    cli = LightningCLI(
        Module,
        args=["fit", "--config", str(path)],
        save_config_callback=None,
        seed_everything_default=False,
    )
    resize: Any = cli.trainer.callbacks[0]  # type: ignore[attr-defined]
    assert type(resize) is upsize.lightning.LightningProgressiveResize
    assert load(resize.plan.schedule) == schedule
    assert cli.model.widths == planned(resize, range(20))


TWO = Path(__file__).with_name("two_processes.py")


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn"])
def test_two_processes(strategy: str, tmp_path: Path) -> None:
    said, errors = tmp_path / "said", tmp_path / "errors"
    paths = str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")
    # One process, which Lightning starts the other one from.
    environment = {"PYTHONPATH": os.pathsep.join(paths)}
    script = Script(
        TWO, [strategy, str(tmp_path)], [environment], cwd=tmp_path, stdout=said,
        stderr=errors, framework="lightning",
    )  # fmt: skip
    assert script.wait(300) == [0], errors.read_text("utf-8")[-3000:]
    first, second = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)
    )
    assert first["world"] == second["world"] == 2
    assert first["widths"] == second["widths"] == first["planned"]
    assert len(set(first["widths"])) == 3
    assert first["weights"] == second["weights"]


def test_the_final_size_may_be_an_argument(tmp_path: Path) -> None:
    resize = upsize.lightning.ProgressiveResize(Ramp(), final_size=32, verbose=False)
    module = fit(tmp_path, resize)
    assert module.widths == planned(resize, range(20))
    assert loader().batch_size == 4
