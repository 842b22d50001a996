"""A callback that joins the trainer while the fit begins, after the hooks of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.adapters.lightning.tools import Module, callback, loader, planned, trainer


def adds(hook: str, resize: Any) -> Module:
    """Return a module that adds a callback in one of its hooks."""

    class Adds(Module):
        pass

    def add(self: Any, *_: Any, **__: Any) -> None:
        if resize not in self.trainer.callbacks:
            self.trainer.callbacks.append(resize)

    setattr(Adds, hook, add)
    return Adds()


@pytest.mark.parametrize("hook", ["setup", "on_fit_start"])
def test_it_resizes_and_restores(hook: str, tmp_path: Path) -> None:
    resize = callback()
    module, made = adds(hook, resize), trainer(tmp_path)
    before = made.strategy.batch_to_device
    made.fit(module, loader(), loader(4))
    assert module.widths == planned(resize, range(20))
    assert module.widths[0] == 16
    assert set(module.others["val"]) == {32}
    assert made.strategy.batch_to_device == before


def test_it_resumes(tmp_path: Path) -> None:
    saves = ModelCheckpoint(tmp_path, "saved", every_n_train_steps=12)
    trainer(tmp_path, callback(), saves, enable_checkpointing=True).fit(
        Module(), loader()
    )
    resize = callback()
    module, made = adds("setup", resize), trainer(tmp_path, max_epochs=8)
    with pytest.warns(UserWarning, match="the saved run has 20 steps and this one 40"):
        made.fit(module, loader(), ckpt_path=tmp_path / "saved.ckpt")
    # Lightning 2.4 trains on one more batch, also without upsize.
    steps = 29 if L.__version__.startswith("2.4.") else 28
    assert len(module.widths) == steps
    assert module.widths[:28] == planned(resize, range(12, 40))
    assert module.widths[0] == 24


def test_later_than_that_is_refused(tmp_path: Path) -> None:
    module = adds("on_train_start", callback())
    with pytest.raises(ValueError, match="joined the trainer after training had begun"):
        trainer(tmp_path).fit(module, loader())
