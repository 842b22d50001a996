"""The benchmark of loaders runs, in a tiny form, and its figures go into the page."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from tests.benchmarks.loaders import by_ffcv
from tests.benchmarks.loaders.__main__ import main
from tests.benchmarks.loaders.measure import Measured, one_core
from tests.benchmarks.loaders.report import FASTEST, insert, realised
from tests.benchmarks.loaders.ways import BOUND, ways

PAGE = Path(__file__).parents[1] / "docs" / "loaders.md"


def test_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = ["--images", "3", "--sizes", "64,32", "--rounds", "2"]
    main(["hard", *options, "--json", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    names = [way.name for way in ways()]
    measured = {each["way"]: each for each in found["measured"]}
    assert [*measured, *found["missing"]] == sorted(
        names, key=lambda name: name in found["missing"]
    )
    assert set(measured) > {"ImageFolder + torchvision v2", "cv2.imread + cv2, by hand"}
    for each in found["measured"]:
        assert each["photographs"] == "hard"
        assert each["disk"] > 0
        for clock in ("cpu", "wall"):
            assert list(each[clock]) == ["32", "64"]
            assert all(len(each[clock][size]) == 2 for size in ("32", "64"))
            assert all(rate > 0 for rates in each[clock].values() for rate in rates)
    ours = [*(way.name for way in ways() if way.ours), FASTEST, BOUND]
    assert list(found["realised"]["hard"]) == ours
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)
    page = insert(PAGE.read_text("utf-8"), found)
    assert all(f"| {name} | " in page for name in measured)
    assert all(f"Not measured: {name}" in page for name in found["missing"])
    assert insert(page, found) == page


def test_the_page_has_its_marks() -> None:
    text = PAGE.read_text("utf-8").replace("<!-- figures: end -->", "")
    with pytest.raises(ValueError, match="the page needs <!-- figures: begin -->"):
        insert(text, {})


def way(name: str, full: float, half: float, *, ours: bool = True) -> Measured:
    rates = {112: [half, 1.0, 1e9], 224: [full] * 3}
    return Measured("easy", name, ours, 1, rates, rates)


def test_the_realised_share() -> None:
    # Half of the steps at a quarter of the pixels: 3/8 of the pixels are saved.
    found = [
        way("all", 100, 400),
        way("some", 200, 400),
        way("none", 100, 100),
        way("theirs", 1000, 1000, ours=False),
    ]
    assert realised(found, "easy") == pytest.approx(
        {"all": 1.0, "some": 0.25 / 0.375, "none": 0.0, FASTEST: 0.25 / 0.375}
    )
    assert realised(found, "hard") == {}


def test_it_leaves_the_cores_alone() -> None:
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    threads = torch.get_num_threads()
    with one_core() as core:
        assert torch.get_num_threads() == 1
        if cores is not None:
            assert os.sched_getaffinity(0) == {core}
    assert torch.get_num_threads() == threads
    if cores is not None:
        assert os.sched_getaffinity(0) == cores


def test_what_is_not_installed_is_named() -> None:
    (here,) = {way.missing for way in ways() if way.name.startswith("FFCV")}
    assert here == by_ffcv.no_ffcv
