"""Draw the strip of the README: `python docs/images/growing.py`.

The photograph is "Chelsea" by Stefan van der Walt, in the public domain (CC0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from upsize.resize import resize
from upsize.schedule import Ramp

HERE = Path(__file__).parent
EPOCHS, STEPS, GAP = 20, 147, 14
BLUE = "#0072B2"

plan = Ramp(final_size=224, increase_by=28).plan(epochs=EPOCHS, steps_per_epoch=STEPS)
photograph = torch.from_numpy(np.array(Image.open(HERE / "chelsea.jpg")))
images = photograph.permute(2, 0, 1)[None]

figure = Figure(figsize=(9.0, 3.1), facecolor="white")
ax = figure.add_axes((0.01, 0.0, 0.98, 0.99))
left = 0
for stage in plan.stages:
    side = stage.size.height
    small = resize(images, side)[0].permute(1, 2, 0).numpy()
    ax.imshow(small, extent=(left, left + side, 0, side), interpolation="nearest")
    first, last = stage.start / STEPS, stage.stop / STEPS
    ax.text(left, side + 5, f"{side} px", fontsize=11, weight="bold", color=BLUE)
    ax.text(left, -20, f"epoch {first:.3g} to {last:.3g}", fontsize=9)
    left += side + GAP
ax.set(xlim=(0, left - GAP), ylim=(-34, 252))
ax.text(
    0,
    232,
    f"{EPOCHS} epochs on {plan.pixel_share:.0%} of the pixels",
    fontsize=13,
    weight="bold",
)
ax.axis("off")
figure.savefig(HERE / "growing.jpg", dpi=150, pil_kwargs={"quality": 92})
