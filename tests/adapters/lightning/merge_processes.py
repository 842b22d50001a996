"""Run by torchrun in test_merge.py: trains without and with ``merge``."""

from __future__ import annotations

from tests.adapters.lightning.merging import fit, loader
from tests.adapters.torchrun import finish


def main() -> None:
    report = {}
    for merge in (False, True):
        # Ten batches for each process; the last is short, and alone in its window.
        module = fit(
            None,
            merge,
            loader(77),
            accumulate_grad_batches=4,
            strategy="ddp",
            devices=2,
        )
        report[str(merge)] = {
            "world": module.trainer.world_size,
            "weights": module.weights.tolist(),
            "passes": len(module.passes),
            "rates": module.rates,
        }
    finish(report)


if __name__ == "__main__":
    main()
