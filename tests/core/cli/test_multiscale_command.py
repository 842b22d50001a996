"""``upsize plan`` and the pictures, where sizes are drawn at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from upsize.cli._app import app
from upsize.cli._draw import staircase
from upsize.plot import plot_sizes
from upsize.schedule import MultiScale, Phases, Plan, Ramp, dump, load

SCHEDULE = MultiScale(
    sizes=(32, 48, 64), every=5, before=Phases(phases=[(0, 32), (0.25, 64)]),
    finish=0.75,
)  # fmt: skip
PLAN = SCHEDULE.plan(epochs=4, steps_per_epoch=20)


def test_the_column_of_a_random_size_is_solid_and_shaded() -> None:
    lines = staircase(PLAN, width=8, height=4).splitlines()
    assert lines[:4] == [
        "64 |  ░░░░██",
        "   |  ░░░░██",
        "32 |████████",
        "   |████████",
    ]
    ascii_only = staircase(PLAN, width=8, height=4, ascii_only=True).splitlines()
    assert ascii_only[0] == "64 |  ::::##"
    assert "\n".join(ascii_only).isascii()


def test_a_shade_begins_above_a_row_that_is_begun() -> None:
    plan = MultiScale(sizes=(40, 64), finish=0.5).plan(total_steps=80)
    lines = staircase(plan, width=4, height=4).splitlines()
    assert [line[4:] for line in lines[:4]] == ["░░██", "▄▄██", "████", "████"]


def test_the_line_follows_the_draws_within_a_band() -> None:
    ax = plot_sizes(PLAN)
    (line,) = ax.lines
    drawn = list(zip(line.get_xdata(), line.get_ydata(), strict=True))
    assert drawn[0] == (0, 32)
    assert drawn[1:-2] == [
        (step / 20, PLAN.size_at(step).width) for step in range(20, 60, 5)
    ]
    assert drawn[-2:] == [(3, 64), (4, 64)]
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    assert (corners.min(0).tolist(), corners.max(0).tolist()) == ([1, 32], [3, 64])


def test_of_many_draws_only_the_band_is_drawn() -> None:
    ax = plot_sizes({"long": SCHEDULE.plan(total_steps=10**6)})
    (line,) = ax.lines
    y = np.asarray(line.get_ydata())
    assert np.isnan(y).tolist() == [False, True, False, False]
    assert len(ax.collections) == 1


def test_a_file_and_a_preset(tmp_path: Path) -> None:
    dump(SCHEDULE, tmp_path / "a.toml")
    arguments = ["plan", "--schedule", str(tmp_path / "a.toml"), "--total-steps", "80"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert load(Plan.model_validate_json(result.stdout).schedule) == SCHEDULE
    picture = tmp_path / "a.png"
    shown = CliRunner().invoke(
        app, [*arguments, "--plot", str(picture)], env={"COLUMNS": "120"}
    )
    assert "one of 3 sizes from 32x32 to 64x64 drawn every" in shown.output
    assert "32x32 to 64x64" in shown.output
    assert picture.stat().st_size > 1000
    yolox = CliRunner().invoke(app, ["plan", "yolox"], env={"COLUMNS": "120"})
    assert yolox.exit_code == 0
    assert "300 epochs of 100 steps, up to 800x800" in yolox.output
    assert "480x480 to 800x800" in yolox.output
    wrong = CliRunner().invoke(app, ["plan", "yolox", "--size", "640"])
    assert wrong.exit_code == 2
    assert "leave one of them out" in wrong.stderr
    assert (
        "the draws end with finish="
        in CliRunner()
        .invoke(app, ["plan", "yolox", "--total-steps", "11"])
        .stderr.replace("\n", " ")
        or Ramp()
    )
