"""The table, the JSON and the picture of what was measured."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from tests.benchmarks.loading.measure import Result

from upsize.schedule import Plan

__all__ = ["achieved", "draw", "table", "to_json"]


def achieved(result: Result, full: Result, plan: Plan) -> list[float]:
    """Return for each run the saved time as a share of the theoretical maximum."""
    maximum = 1 - plan.pixel_share
    return [
        (1 - own / whole) / maximum
        for own, whole in zip(result.seconds(), full.seconds(), strict=True)
    ]


def table(results: list[Result], plan: Plan, title: str) -> str:
    """Return a line for each method: medians over the runs."""
    full = results[0]
    sizes = " ".join(f"{size.height:>5}" for size in plan.sizes)
    lines = [
        f"{title}; theoretical maximum {1 - plan.pixel_share:.1%}",
        f"{'':28} {'':>7} {'images/s at':^{len(sizes)}} {'saved':>7} "
        f"{'achieved':>9} {'(least-most)':>14}  of it, s: {'wait':>6} {'resize':>6} "
        f"{'step':>6}  {'switch':>7} {'valid':>6}",
        f"{'':28} {'s':>7} {sizes}",
    ]
    for result in results:
        shares = achieved(result, full, plan)
        rates = []
        for size in plan.sizes:
            reached = any(e.size == size for run in result.runs for e in run)
            rates.append(f"{result.rate(size):5.0f}" if reached else " " * 5)
        switches = result.switches()
        switch = f"{statistics.median(switches):+.2f} st" if switches else ""
        saved = statistics.median(shares) * (1 - plan.pixel_share)
        lines.append(
            f"{result.method:28} {statistics.median(result.seconds()):7.2f} "
            f"{' '.join(rates)} {saved:7.1%} {statistics.median(shares):9.2f} "
            f"{f'({min(shares):.2f}-{max(shares):.2f})':>14}            "
            f"{result.median('wait'):6.2f} {result.median('resize'):6.2f} "
            f"{result.median('step'):6.2f}  {switch:>7} "
            f"{result.median('validation'):6.2f}"
        )
    return "\n".join(lines)


def to_json(
    measured: dict[str, tuple[str, list[Result]]], plan: Plan, about: dict[str, Any]
) -> str:
    """Return all of it."""
    workloads = {
        name: {
            "model": model,
            "achieved": {
                each.method: statistics.median(achieved(each, results[0], plan))
                for each in results
            },
            "methods": [each.to_json() for each in results],
        }
        for name, (model, results) in measured.items()
    }
    whole = {
        "about": about,
        "plan": plan.model_dump(mode="json"),
        "theoretical_maximum": 1 - plan.pixel_share,
        "workloads": workloads,
    }
    return json.dumps(whole, indent=1)


def draw(path: Path, measured: dict[str, tuple[str, list[Result]]], plan: Plan) -> None:
    """Draw a bar for each method: waiting, resizing, training steps."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    heights = [len(results) for _, results in measured.values()]
    figure, axes = plt.subplots(
        len(measured), 1, squeeze=False, figsize=(8, 0.34 * sum(heights) + 2.2),
        height_ratios=heights, layout="constrained",
    )  # fmt: skip
    parts = {
        "waiting for the loader": ("wait", "#d55e00", ""),
        "transfer and resize": ("resize", "#009e73", "///"),
        "training step": ("step", "#0072b2", ""),
    }
    for axis, (name, (model, results)) in zip(
        axes[:, 0], measured.items(), strict=True
    ):
        whole = statistics.median(results[0].seconds())
        left = [0.0] * len(results)
        names = [each.method for each in results]
        for label, (part, colour, hatch) in parts.items():
            widths = [each.median(part) / whole * 100 for each in results]
            axis.barh(
                names, widths, left=left, label=label, color=colour, hatch=hatch,
                edgecolor="white", linewidth=0.4,
            )  # fmt: skip
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axis.axvline(100 * plan.pixel_share, color="black", linestyle="--", linewidth=1)
        axis.invert_yaxis()
        axis.set_title(f"{name}: {model}", fontsize=9, loc="left")
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel(
        "time of training, % of full size; dashed: theoretical maximum",
        fontsize=8,
    )
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
        fontsize=8, frameon=False,
    )  # fmt: skip
    figure.savefig(path)
    plt.close(figure)
