from __future__ import annotations

import subprocess
import sys


def test_the_scheduler_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, upsize.schedule as s\n"
        "plan = s.presets.composer(final_size=224).plan(total_steps=100)\n"
        "s.dump(s.Ramp()), str(plan), plan.model_dump_json()\n"
        "print(sorted({'torch', 'numpy', 'yaml'} & {m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
