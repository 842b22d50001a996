"""``upsize copies``: small copies of a folder of images, for the small phases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.filesize import decimal

from upsize._extras import require
from upsize.cli._errors import friendly
from upsize.cli._named import is_named, load_schedule
from upsize.cli._paths import check_file
from upsize.cli._presets import find, is_preset, preset_names
from upsize.cli._progress import copying
from upsize.cli._values import read_size
from upsize.schedule import Plan

if TYPE_CHECKING:
    from upsize.loading import CopiesEstimate

__all__ = ["copies"]

_FULL = 224
_EPOCHS = 20
_STEPS = 10_000
_MOST_BYTES = 10_000_000


def _check_extra() -> None:
    for name in ("torch", "PIL", "lmdb"):
        require(name, "jpeg", "Copies of images")


def _plan(file: Path, full: str | None) -> Plan:
    """Read a plan, or a schedule, whose sizes come in the same shares of any run."""
    plan = _saved_plan(file)
    if plan is not None:
        if full is not None:
            raise ValueError(
                f"--full {full} and {file} both set the full size: leave --full out"
            )
        return plan
    size = read_size("--full", full)
    if is_preset(str(file), "--plan"):
        preset = find(str(file))
        schedule = preset.build(size, {})
        length = {"epochs": preset.epochs or _EPOCHS, "steps_per_epoch": _STEPS}
    else:
        schedule = load_schedule(str(file), "--plan")
        length = {"total_steps": _STEPS}
    full_size = schedule.full_size(size) or _FULL
    return schedule.plan(**length, final_size=full_size)


def _saved_plan(file: Path) -> Plan | None:
    """Read a plan that was saved as JSON; ``None``: it holds something else."""
    if file.suffix != ".json" or is_named(str(file)):
        return None
    check_file(file, "--plan")
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(
            f"--plan {file}: must have at most {_MOST_BYTES} bytes, more than any plan"
        )
    try:
        return Plan.model_validate_json(file.read_bytes())
    except ValidationError:
        return None


def _sizes(
    plan: Path | None, sizes: str | None, full: str | None, full_copy: int | None
) -> dict[str, Any]:
    """Return what the options say of the sizes, as small_copies takes it."""
    given = (plan is not None) + (sizes is not None)
    if given > 1 or (given == 0 and full_copy is None):
        raise ValueError(
            "give either --plan or --sizes, which set the sizes of copies, or --full-copy "
            "alone"
        )
    if plan is not None:
        return {"plan": _plan(plan, full), "full_copy": full_copy}
    texts = [] if sizes is None else sizes.split(",")
    return {
        "sizes": [read_size("--sizes", each) for each in texts],
        "full_copy": full_copy,
        "full": read_size("--full", full) or _FULL,
    }


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


def _announce(need: CopiesEstimate, target: Path, console: Console) -> None:
    from upsize.loading._images._folder import shown

    settings = need.settings
    names = ", ".join(map(str, settings.served))
    lowered = ""
    if need.lowered:
        lowered = (
            f"\nAbout {need.lowered} of them are JPEG files of a quality below "
            f"{settings.quality}, and get copies of their own quality."
        )
    kind = "Raw copies" if settings.encoding == "raw" else "Copies"
    if target.is_relative_to(Path.cwd()):
        target = target.relative_to(Path.cwd())
    _print(
        console,
        f"{kind} for samples of {names}; full size {settings.full}.\n"
        f"{_images(need.images)} to copy need about {decimal(need.bytes)} in "
        f"{shown(target)}, where {decimal(need.free)} are free.{lowered}",
    )


def copies(
    folder: Annotated[Path, typer.Argument(help="The images, at any depth.")],
    target: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the copies, with nothing else in it.",
            show_default="that of the images with -small after its name",
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Choose the sizes from this: a plan from upsize plan --json, a schedule "
            "(a .json, .yaml or .toml file), a preset, or MODULE:NAME.",
            autocompletion=preset_names,
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(help="Or sizes of samples in pixels: 112,168 or 112x160."),
    ] = None,
    full: Annotated[
        str | None,
        typer.Option(
            help="Full size in pixels.", show_default=f"{_FULL}, or the plan's"
        ),
    ] = None,
    most: Annotated[
        int,
        typer.Option(min=1, help="Most copies of an image, with --plan."),
    ] = 2,
    least_scale: Annotated[
        float,
        typer.Option(help="Smallest share of an image's area that a crop takes."),
    ] = 0.08,
    quality: Annotated[
        int | None,
        typer.Option(
            help="JPEG quality, 1 to 95; never above the original's.",
            show_default="90",
        ),
    ] = None,
    encoding: Annotated[
        str,
        typer.Option(
            help="jpeg, or raw: plain pixels, which need no decoding, but about ten times "
            "the disk space.",
            autocompletion=lambda: ["jpeg", "raw"],
        ),
    ] = "jpeg",
    full_copy: Annotated[
        int | None,
        typer.Option(
            help="Shorter side in pixels of one more copy, to read instead of the "
            "original at full size, such as 256 for 224."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Number of processes.", show_default="one a core"),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the disk space needed; write nothing."),
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Write the copies as files into this empty folder, to look at them; "
            "without --plan, --sizes and --full-copy, the copies that already exist."
        ),
    ] = None,
) -> None:
    """Make small copies of your images, which training reads at small sizes.

    Run it again if it was stopped, or after you change images or options.

    Examples: upsize copies data/train --sizes 112,168;
    upsize copies data/train --plan my.yaml --least-scale 0.35 --target /fast/small;
    upsize copies data/train --sizes 112,160 --encoding raw --full-copy 256
    """
    console = Console()
    with friendly():
        _check_extra()
        from upsize.loading import estimate_copies, small_copies

        if target is None:
            whole = folder.absolute()
            target = whole.with_name(f"{whole.name}-small")
        if export is not None:
            if dry_run:
                raise ValueError("--dry-run writes nothing: leave out --export")
            if plan is None and sizes is None and full_copy is None:
                _export(folder, target, export, console)
                return
        common = _sizes(plan, sizes, full, full_copy) | {
            "most": most,
            "least_scale": least_scale,
            "quality": quality,
            "encoding": encoding,
        }
        _announce(estimate_copies(folder, target, **common), target, console)
        if dry_run:
            return
        with copying(console) as track:
            done = small_copies(folder, target, workers=workers, track=track, **common)
        _print(
            console,
            f"{_images(done.made)} copied, {decimal(done.bytes)}; {done.kept} up to date, "
            f"{done.removed} removed with their source images.",
        )
        if export is not None:
            _export(folder, target, export, console)


def _export(folder: Path, target: Path, to: Path, console: Console) -> None:
    from upsize.loading import export_copies
    from upsize.loading._copies._folder import check_apart
    from upsize.loading._images._folder import shown

    check_apart(folder, to, "the folder of --export")
    count = export_copies(target, to)
    _print(console, f"{count} copies in {shown(target)} written to {shown(to)}.")


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
