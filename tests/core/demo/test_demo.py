"""The demo on small folders of generated images, and on the real photographs."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from upsize.cli._app import app
from upsize.demo import _data, _plans, load_cells
from upsize.demo._data import Data, decode, load
from upsize.demo._files import find_cells, find_folder
from upsize.demo._plans import affordable_epochs, default_schedule
from upsize.demo._report import Result as RunResult
from upsize.demo._report import headline, picture, results_table, to_json
from upsize.demo._run import Epoch, Training, augment, round_robin, train
from upsize.schedule import Ramp, dump


def images(root: Path, train: int = 12, val: int = 4) -> Path:
    """Dark and bright noise in class folders: easy to tell apart."""
    generator = torch.Generator().manual_seed(0)
    for part, count in (("train", train), ("val", val)):
        for name, level in (("dark", 40), ("bright", 200)):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                noise = torch.randint(-30, 30, (40, 48, 3), generator=generator)
                pixels = (noise + level).to(torch.uint8).numpy()
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def plain(items: Any, total: int) -> Any:
    return items


def load_folder(root: Path, size: int) -> Data:
    return load(find_folder(root), size, plain)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["demo", *arguments], env={"COLUMNS": "160"})


class TestCommand:
    def test_own_images(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # Measured times would make it depend on the machine.
        monkeypatch.setattr(_plans, "affordable_epochs", lambda *_: 5)
        output = tmp_path / "out.png"
        result = run(
            "--data", str(images(tmp_path / "data")), "--epochs", "4", "--size", "32",
            "--batch-size", "8", "--output", str(output), "--equal-time",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        for text in ("24 images to train on, 8 to validate on, 2 classes", "achieved"):
            assert text in result.output
        assert "time for 5 progressive epochs, instead of 4." in result.output
        assert re.search(r"equal time +5 ", result.output)
        assert output.stat().st_size > 1000

    def test_as_json_and_no_run_twice(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # As if full size had taken as long as the progressive run.
        monkeypatch.setattr(_plans, "affordable_epochs", lambda *_: 2)
        result = run(
            "--data", str(images(tmp_path / "data")), "--epochs", "2", "--size", "32",
            "--batch-size", "8", "--output", str(tmp_path / "a.png"), "--equal-time",
            "--json", "--schedule", "ffcv-16x" , "--size", "32",
        )  # fmt: skip
        assert result.exit_code == 2
        assert "did you mean ffcv-16?" in result.stderr
        result = run(
            "--data", str(images(tmp_path / "data2")), "--epochs", "2", "--size", "32",
            "--batch-size", "8", "--output", str(tmp_path / "a.png"), "--equal-time",
            "--json", "--schedule", "composer",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        first, second = json.loads(result.stdout)
        assert (first["name"], len(second["epochs"])) == ("full size", 2)
        assert "as before: that run is not repeated" in " ".join(result.stderr.split())

    def test_a_schedule_of_your_own(self, tmp_path: Path) -> None:
        dump(Ramp(initial_size=16, increase_by=8), tmp_path / "a.json")
        common = [
            "--data", str(images(tmp_path / "data")), "--batch-size", "8",
            "--output", str(tmp_path / "out.png"), "--schedule", str(tmp_path / "a.json"),
        ]  # fmt: skip
        result = run(*common, "--epochs", "4", "--size", "32")
        assert result.exit_code == 0, result.output
        assert "16x16 until epoch 2" in result.output
        result = run(*common, "--initial-size", "16")
        assert result.exit_code == 2
        assert "both set the first size" in result.stderr
        dump(Ramp(final_size=48), tmp_path / "a.json")
        result = run(*common, "--size", "32")
        assert result.exit_code == 2
        assert "leave one of them out" in result.stderr
        dump(Ramp(final_size=(32, 48)), tmp_path / "a.json")
        result = run(*common)
        assert result.exit_code == 2
        assert "squares of at least 8 pixels, not 32x48" in result.stderr
        dump(Ramp(final_size=24, increase_by=6), tmp_path / "a.json")
        result = run(*common, "--epochs", "4")
        assert result.exit_code == 0, result.output
        assert "24x24 from epoch 3" in result.output

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--epochs", "0"], "Invalid value for '--epochs'"),
            (["--size", "4"], "Invalid value for '--size'"),
            (["--batch-size", "0"], "Invalid value for '--batch-size'"),
            (["--initial-size", "256"], "larger than final_size"),
            (["--output", "a.txt"], "must end in one of"),
            (["--seed", "4294967296"], "Invalid value for '--seed'"),
            (["--size", "65536"], "GiB of memory"),
        ],
    )
    def test_bad_options(self, arguments: list[str], message: str) -> None:
        result = run(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr
        assert "Traceback" not in result.output

    @pytest.mark.parametrize("given", [None, "active"])
    def test_waiting_threads_leave_the_cores_to_others(
        self, given: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
        if given is None:
            monkeypatch.delenv("OMP_WAIT_POLICY")
        run("--output", "a.txt")  # refused, but only after that
        assert os.environ["OMP_WAIT_POLICY"] == (given or "passive")

    def test_without_its_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "PIL", None)
        for name in [n for n in sys.modules if n.startswith("upsize.demo")]:
            monkeypatch.delitem(sys.modules, name)
        result = run()
        assert result.exit_code == 1
        assert 'pip install "upsize[demo]"' in result.stderr

    def test_on_the_real_photographs(self, tmp_path: Path) -> None:
        result = run(
            "--epochs", "1", "--size", "16", "--output", str(tmp_path / "out.png")
        )
        assert result.exit_code == 0, result.output
        assert "2099 images to train on, 525 to validate on, 4 classes" in result.output


class TestData:
    def test_the_photographs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        files = find_cells(0)
        assert (len(files.train), len(files.val)) == (2099, 525)
        labels = torch.tensor([sample.label for sample in files.val])
        share = torch.bincount(labels) / 525
        assert share.max() == pytest.approx(0.42, abs=0.02)  # the majority class
        # Which of them they are, the seed says.
        assert find_cells(0) == files
        assert find_cells(1).val != files.val
        # The example of load_cells decodes them all.
        some = replace(files, train=files.train[:40], val=files.val[:10])
        monkeypatch.setattr(_data, "find_cells", {0: some}.__getitem__)
        data = load_cells(8, 0, plain)
        assert data.train.images.shape == (40, 1, 8, 8)
        assert data.train.images.dtype == torch.uint8
        assert data.val.labels.tolist() == labels[:10].tolist()

    def test_without_the_photographs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "elpv_dataset", None)
        with pytest.raises(ImportError, match=r'pip install "upsize\[demo\]"'):
            load_cells(8, 0, plain)

    def test_a_folder(self, tmp_path: Path) -> None:
        data = load_folder(images(tmp_path), 16)
        assert data.classes == ("bright", "dark")
        assert data.train.images.shape == (24, 3, 16, 16)
        bright = data.train.images[data.train.labels == 0].float().mean()
        assert bright > 150

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda root: _remove(root), "no such folder"),
            (lambda root: _remove(root / "train"), "train: no such folder"),
            (lambda root: _replace(root / "train"), "train: is a file, not a folder"),
            (lambda root: _remove(root / "val"), "val: no such folder"),
            (lambda root: _remove(root / "train" / "dark"), "two classes, and has 1"),
            (lambda root: (root / "train" / "none").mkdir(), "none: no image in this"),
            (lambda root: _rename(root), "grey: no such class in"),
            (lambda root: _empty(root / "val"), "val: no class folders"),
            (lambda root: _break(root), "0.png: cannot be read as an image"),
            (lambda root: _fill(root), "0.png: is not an image that Pillow can read"),
        ],
    )
    def test_bad_folders_are_named(
        self, damage: Any, message: str, tmp_path: Path
    ) -> None:
        root = images(tmp_path / "data")
        damage(root)
        with pytest.raises(ValueError, match=message):
            load_folder(root, 16)

    def test_sixteen_bits_are_refused(self, tmp_path: Path) -> None:
        Image.new("I;16", (8, 8), 40000).save(tmp_path / "deep.png")
        with pytest.raises(ValueError, match=r"deep.png: has 'I.*' pixels"):
            decode(tmp_path / "deep.png", 8, "RGB")

    def test_too_many_images_for_the_memory(self, tmp_path: Path) -> None:
        with pytest.raises(
            ValueError, match=r"32 images .* GiB of memory.*smaller size"
        ):
            load_folder(images(tmp_path), 10**5)


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def _replace(folder: Path) -> None:
    _remove(folder)
    folder.touch()


def _empty(folder: Path) -> None:
    _remove(folder)
    folder.mkdir()


def _rename(root: Path) -> None:
    (root / "val" / "dark").rename(root / "val" / "grey")


def _fill(root: Path) -> None:
    (root / "train" / "dark" / "0.png").write_text("no image")


def _break(root: Path) -> None:
    path = root / "train" / "dark" / "0.png"
    path.write_bytes(path.read_bytes()[:60])


class TestRun:
    def test_two_runs_of_a_seed_are_equal_and_turns_change_nothing(
        self, tmp_path: Path
    ) -> None:
        data = load_folder(images(tmp_path), 16)
        ramp = Ramp(initial_size=8, final_size=16, increase_by=8)
        plan = ramp.plan(epochs=4, steps_per_epoch=3)
        sizes: list[Any] = []

        def start(seed: int = 0) -> Any:
            return train(
                Training(data, ramp, plan, batch_size=8, seed=seed),
                lambda step, size: sizes.append((step, size)),
            )

        alone = [epoch.accuracy for epoch in start()]
        assert [size for _, size in sizes] == [plan.size_at(n) for n in range(12)]
        assert [step for step, _ in sizes] == list(range(1, 13))
        both = round_robin({"a": start(), "b": start()})
        assert [epoch.accuracy for epoch in both["a"]] == alone
        assert [epoch.accuracy for epoch in both["b"]] == alone
        assert alone[-1] > 0.9
        seconds = [epoch.seconds for epoch in both["a"]]
        assert seconds == sorted(seconds)

    @pytest.mark.parametrize("batch", [24, 12, 8, 6])
    def test_a_few_steps(self, batch: int, tmp_path: Path) -> None:
        """One to four: the rate has a peak, however few there are."""
        data = load_folder(images(tmp_path), 32)
        plan = Ramp(initial_size=1.0).plan(
            epochs=1, steps_per_epoch=24 // batch, final_size=32
        )
        training = Training(
            data, Ramp(initial_size=1.0), plan, batch_size=batch, seed=0
        )
        assert len(list(train(training, lambda *_: None))) == 1

    def test_augmentation_keeps_the_pixels(self) -> None:
        image = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(64, 1, 1, 1)
        mirrored = augment(image, torch.Generator().manual_seed(0), rotate=False)
        assert len({tuple(i.flatten().tolist()) for i in mirrored}) == 2
        turned = augment(image, torch.Generator().manual_seed(0), rotate=True)
        assert len({tuple(i.flatten().tolist()) for i in turned}) == 8
        assert all(sorted(i.flatten().tolist()) == list(range(16)) for i in turned)

    def test_affordable_epochs_is_at_least_one(self) -> None:
        ramp = default_schedule(64)
        plan = ramp.plan(epochs=8, steps_per_epoch=10)
        assert affordable_epochs(ramp, plan, seconds=10.0, budget=0.1) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert affordable_epochs(ramp, plan, seconds=10.0, budget=30.0) >= 20


def test_report() -> None:
    full = Ramp(initial_size=1.0, final_size=64).plan(epochs=2, steps_per_epoch=5)
    half = Ramp(final_size=64, increase_by=32).plan(epochs=2, steps_per_epoch=5)
    longer = Ramp(final_size=64, increase_by=32).plan(epochs=3, steps_per_epoch=5)
    results = [
        RunResult("full", full, [Epoch(5.0, 0.5), Epoch(10.0, 0.7)]),
        RunResult("half", half, [Epoch(3.0, 0.5), Epoch(7.0, 0.7)]),
        RunResult("same", full, [Epoch(3.0, 0.5), Epoch(9.0, 0.7)]),
        RunResult("long", longer, [Epoch(3.0, 0.5)] * 3),
    ]
    table = results_table(results)
    console = Console(width=60, file=StringIO())
    console.print(results_table([r._replace(name="progressive") for r in results]))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 5
    assert lines[0].split()[-1] == "achieved"
    columns = [list(column.cells) for column in table.columns]
    maximum = 100 * (1 - half.pixel_share)
    assert columns[4] == ["-", "30.0 %", "10.0 %", "-"]
    assert columns[5] == ["-", f"{maximum:.1f} %", "0.0 %", "-"]
    assert columns[6] == ["-", f"{3000 / maximum:.0f} %", "-", "-"]
    assert [each["name"] for each in json.loads(to_json(results))] == [
        "full",
        "half",
        "same",
        "long",
    ]
    drawn = picture(results)
    upper, lower = drawn.axes
    assert drawn.get_suptitle() == "half: 30% less time, accuracy +0.0 points"
    assert len(upper.lines) == len(lower.lines) == 4
    assert max(upper.lines[0].get_ydata()) == pytest.approx(70.0)
    # It grows after the first of its two epochs, which took 3 of 7 seconds.
    assert lower.lines[1].get_xdata().tolist() == [0.0, 3.0, 7.0]
    assert headline(results[::-1]).startswith("same: 200% more time")
