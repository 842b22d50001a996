"""Pictures as files, and what is said without matplotlib."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from upsize.plot import check_picture, plot_sizes, save
from upsize.schedule import Ramp

PLAN = Ramp(final_size=(64, 96), increase_by=16).plan(epochs=8, steps_per_epoch=10)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_save_writes_axes_and_figures(suffix: str, tmp_path: Path) -> None:
    ax = plot_sizes(PLAN)
    for number, picture in enumerate((ax, ax.get_figure(root=True))):
        path = tmp_path / f"{number}.{suffix}"
        save(picture, path)
        assert path.stat().st_size > 1000


def test_a_picture_that_cannot_be_written_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in one of .*\.png"):
        check_picture(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError, match="no folder"):
        check_picture(tmp_path / "none" / "a.png")
    (tmp_path / "b.png").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        check_picture(tmp_path / "b.png")


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "upsize.plot")
    with pytest.raises(ImportError, match=r'pip install "upsize\[plot\]"'):
        import upsize.plot  # noqa: F401
