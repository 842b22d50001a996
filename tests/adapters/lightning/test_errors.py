"""Errors at a smaller size are explained in the stages that are resized."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.adapters.lightning.tools import Module, callback, loader, trainer


class Fails(Module):
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        raise RuntimeError("shape")


@pytest.mark.parametrize(("resize_valid", "notes"), [(True, 1), (False, 0)])
def test_validation(resize_valid: bool, notes: int, tmp_path: Path) -> None:
    resize = callback(resize_valid=resize_valid)
    made = trainer(tmp_path, resize, num_sanity_val_steps=0)
    with pytest.raises(RuntimeError, match="shape") as error:
        made.fit(Fails(), loader(), loader())
    assert len(getattr(error.value, "__notes__", [])) == notes
