"""Pictures of plans and of runs, with matplotlib.

Every function draws on the axes that it is given, or on a new figure of its own, and
returns the axes; pyplot and its global state are never touched. :func:`save` writes the
picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from upsize._extras import missing_extra
from upsize.schedule import Plan

try:
    from matplotlib.figure import Figure
except ImportError as error:
    raise missing_extra("plot", "Pictures") from error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from matplotlib.axes import Axes

__all__ = [
    "STYLES",
    "Style",
    "check_picture",
    "plot_accuracy",
    "plot_sizes",
    "save",
    "style",
]


class Style(NamedTuple):
    """How a run is drawn: colour, line and marker, so that each alone tells it."""

    color: str
    linestyle: str | tuple[int, tuple[int, ...]]
    marker: str


#: The colours are Okabe and Ito's, which colour-blind people can tell apart, in an
#: order in which neighbours differ in grey as well.
STYLES = (
    Style("#0072B2", "-", "o"),
    Style("#E69F00", "--", "s"),
    Style("#000000", "-.", "^"),
    Style("#56B4E9", ":", "D"),
    Style("#D55E00", (0, (5, 1, 1, 1, 1, 1)), "v"),
    Style("#009E73", (0, (8, 2)), "P"),
    Style("#CC79A7", (0, (2, 1)), "X"),
)


def style(number: int) -> Style:
    """Return the style of a run by its number, from 0; after the last they repeat.

    Example:
        >>> style(0).color, style(7) == style(0)
        ('#0072B2', True)
    """
    return STYLES[number % len(STYLES)]


def _axes(ax: Axes | None) -> Axes:
    """Return the axes given, or those of a new figure, with a light grid."""
    if ax is None:
        ax = Figure(figsize=(6.4, 4.0), layout="constrained").subplots()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.3)
    return ax


def plot_sizes(plans: Plan | Mapping[str, Plan], ax: Axes | None = None) -> Axes:
    """Draw the size of every step of one or more plans as a staircase.

    Args:
        plans: A plan, or several by name, in the order of their styles. Drawn over
            epochs where all of them know their epochs, else over steps.
        ax: Where to draw; ``None``: on a new figure.

    Returns:
        The axes, with the longer side in pixels over time.

    Raises:
        ValueError: When there is no plan.

    Example:
        >>> from upsize.schedule import Ramp
        >>> plan = Ramp(final_size=224, increase_by=56).plan(
        ...     epochs=20, steps_per_epoch=147
        ... )
        >>> ax = plot_sizes(plan)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('epoch', 'image size (pixels)')
        >>> ax.lines[0].get_ydata().tolist()
        [112, 168, 224, 224]
    """
    named = {"": plans} if isinstance(plans, Plan) else dict(plans)
    if not named:
        raise ValueError("plans must hold at least one plan, not {}")
    ax = _axes(ax)
    in_epochs = all(plan.steps_per_epoch is not None for plan in named.values())
    for number, (name, plan) in enumerate(named.items()):
        unit = (plan.steps_per_epoch or 1) if in_epochs else 1
        starts = [stage.start / unit for stage in plan.stages]
        sides = [max(stage.size) for stage in plan.stages]
        # The later, thinner lines leave the earlier ones visible where they coincide.
        ax.step(
            [*starts, plan.total_steps / unit],
            [*sides, sides[-1]],
            where="post",
            color=style(number).color,
            linestyle=style(number).linestyle,
            linewidth=max(1.5, 3.0 - number),
            label=name or None,
        )
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=0)
    ax.set_xlabel("epoch" if in_epochs else "step")
    ax.set_ylabel("image size (pixels)")
    if not isinstance(plans, Plan):
        ax.legend(frameon=False)
    return ax


def plot_accuracy(
    runs: Mapping[str, Sequence[tuple[float, float]]], ax: Axes | None = None
) -> Axes:
    """Draw the accuracy of one or more runs against their training time.

    Args:
        runs: By name, in the order of their styles, (seconds, accuracy) after each
            epoch: training seconds so far, and a share in [0, 1].
        ax: Where to draw; ``None``: on a new figure.

    Returns:
        The axes, with the accuracy in percent over seconds.

    Raises:
        ValueError: When there is no run.

    Example:
        >>> ax = plot_accuracy({
        ...     "full size": [(10.0, 0.5), (20.0, 0.75)],
        ...     "progressive": [(4.0, 0.375), (12.0, 0.75)],
        ... })
        >>> [line.get_label() for line in ax.lines]
        ['full size', 'progressive']
        >>> ax.lines[1].get_ydata().tolist()
        [37.5, 75.0]
    """
    if not runs:
        raise ValueError("runs must hold at least one run, not {}")
    ax = _axes(ax)
    for number, (name, points) in enumerate(runs.items()):
        ax.plot(
            [seconds for seconds, _ in points],
            [100 * accuracy for _, accuracy in points],
            color=style(number).color,
            linestyle=style(number).linestyle,
            marker=style(number).marker,
            markersize=5,
            label=name,
        )
    ax.set_xlim(left=0)
    ax.set_xlabel("training time (seconds)")
    ax.set_ylabel("accuracy (%)")
    ax.legend(frameon=False)
    return ax


def check_picture(path: str | PathLike[str]) -> Path:
    """Say whether a picture can be written, before the work that it is to show.

    Args:
        path: File of the picture, ending in .png, .svg, .pdf or another format of
            matplotlib's.

    Returns:
        The path.

    Raises:
        ValueError: For another ending; names those that are allowed.
        OSError: When its folder is missing, or it is a folder itself.

    Example:
        >>> check_picture("sizes.png").suffix
        '.png'
    """
    path = Path(path)
    allowed = Figure().canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in allowed:
        raise ValueError(
            f"{path}: a picture must end in one of .{', .'.join(sorted(allowed))}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, not a file to write")
    return path


def save(picture: Axes | Figure, path: str | PathLike[str]) -> None:
    """Write a picture, in the format that the ending of its file names.

    Args:
        picture: The figure, or axes on it.
        path: As for :func:`check_picture`.

    Raises:
        ValueError: For an unknown ending.
        OSError: When the file cannot be written.
    """
    figure = picture if isinstance(picture, Figure) else picture.get_figure(root=True)
    assert figure is not None  # axes that are on no figure were removed from it
    figure.savefig(check_picture(path), dpi=150)
