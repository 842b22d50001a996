"""A resumed run trains on the sizes of an uninterrupted one.

Not to its weights: in mid-epoch Lightning begins a plain DataLoader anew.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tests.adapters.lightning.tools import Module, callback, loader, trainer

_FIT = inspect.signature(L.Trainer.fit).parameters


def every(path: Path, steps: int) -> ModelCheckpoint:
    return ModelCheckpoint(
        path,
        "{step}",
        every_n_train_steps=steps,
        save_top_k=-1,
        save_on_train_epoch_end=False,
    )


def saved(path: Path, **more: Any) -> tuple[Module, list[Path]]:
    module = Module()
    trainer(path, callback(), every(path, 3), enable_checkpointing=True, **more).fit(
        module, loader()
    )
    return module, sorted(path.glob("*.ckpt"))


@pytest.mark.parametrize("more", [{}, {"accumulate_grad_batches": 2}])
def test_from_every_checkpoint(more: dict[str, Any], tmp_path: Path) -> None:
    whole, checkpoints = saved(tmp_path, **more)
    assert len(checkpoints) >= 3
    for checkpoint in checkpoints:
        resize, module = callback(), Module()
        made = trainer(tmp_path, resize, **more)
        safely = {"weights_only": True} if "weights_only" in _FIT else {}
        made.fit(module, loader(), ckpt_path=str(checkpoint), **safely)
        done = int(checkpoint.stem.removeprefix("step="))
        if done < resize.plan.total_steps:
            assert module.steps[0] == done
        sizes = dict(zip(whole.steps, whole.widths, strict=True))
        # Lightning 2.4 trains a batch more after a resume in mid-epoch.
        assert module.widths == [sizes.get(step, 32) for step in module.steps]


def middle(tmp_path: Path) -> str:
    return str(next(tmp_path.glob("step=15.ckpt")))


def test_a_checkpoint_from_before_the_callback(tmp_path: Path) -> None:
    module = Module()
    trainer(tmp_path, every(tmp_path, 12), enable_checkpointing=True).fit(
        module, loader()
    )
    resize, module = callback(), Module()
    trainer(tmp_path, resize).fit(
        module, loader(), ckpt_path=str(next(tmp_path.glob("*.ckpt")))
    )
    assert module.steps[0] == 12
    assert module.widths == [resize.plan.size_at(n).width for n in module.steps]


def test_the_state_is_there_before_training_starts(tmp_path: Path) -> None:
    saved(tmp_path)
    checkpoint = torch.load(middle(tmp_path), weights_only=True)
    state = checkpoint["callbacks"]["upsize.ProgressiveResize"]
    resize = callback()
    assert resize.state_dict() == {}
    resize.load_state_dict(state)
    assert resize.state_dict() == state
    assert resize.plan is None
    assert isinstance(resize, L.Callback)
