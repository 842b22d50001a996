"""Without its framework an adapter says how to install it, whatever is imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
for name in {blocked}:
    sys.modules[name] = None
from {module} import {name}
"""


@pytest.mark.parametrize(
    ("module", "name", "blocked", "extra"),
    [
        ("upsize.accelerate", "ProgressiveResize", ["accelerate"], "accelerate"),
        ("upsize.accelerate._hook", "ResizeHook", ["accelerate"], "accelerate"),
        ("upsize.fastai", "ProgressiveResize", ["fastai"], "fastai"),
        ("upsize.fastai._run", "Run", ["fastai"], "fastai"),
        ("upsize.transformers", "ProgressiveResize", ["transformers"], "transformers"),
        ("upsize.transformers", "attach", ["accelerate"], "transformers"),
        ("upsize.transformers._sized", "sized", ["accelerate"], "transformers"),
        ("upsize.ray", "sized", ["ray"], "ray"),
        ("upsize.ray._sized", "sized", ["ray"], "ray"),
        ("upsize.ray", "sized", ["torch"], "ray"),
        ("upsize.resize", "Resizer", ["torch"], "torch"),
        ("upsize.models", "check", ["torch"], "torch"),
        ("upsize.loading", "sized", ["torch"], "torch"),
        ("upsize.loading", "open_image", ["PIL"], "jpeg"),
        ("upsize.loading", "small_copies", ["PIL"], "jpeg"),
        ("upsize.loading", "small_copies", ["lmdb"], "jpeg"),
        ("upsize.loading", "CopyLoader", ["lmdb"], "jpeg"),
        ("upsize.loading", "export_copies", ["lmdb"], "jpeg"),
        ("upsize.accelerate", "sized", ["accelerate"], "accelerate"),
        ("upsize.loop", "ProgressiveResize", ["torch"], "torch"),
        ("upsize.forecast", "measure", ["torch"], "torch"),
        ("upsize.forecast._forecast", "Forecast", ["torch"], "torch"),
        ("upsize.detection", "follow_detector", ["torch"], "torch"),
    ],
)
def test_the_error_names_the_command(
    module: str, name: str, blocked: list[str], extra: str
) -> None:
    code = CODE.format(blocked=blocked, module=module, name=name)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert f'pip install "upsize[{extra}]"' in last


def test_crops_without_copies_need_no_lmdb() -> None:
    code = CODE.format(
        blocked=["lmdb"], module="upsize.loading", name="RandomResizedCropDecode"
    )
    subprocess.run(
        [sys.executable, "-c", code + "RandomResizedCropDecode(8)"], check=True
    )
