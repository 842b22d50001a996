"""Ray Train itself: its workers train at the sizes of the plan, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray.train", reason="Ray is not installed: nox -s streams")

import numpy as np
import ray
import ray.cluster_utils
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from tests.adapters.ray import engines, training
from tests.adapters.ray.training import PLANNED, STEPS, written

# What Ray says of its own code; ours runs in its workers.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).parents[3]
_MB = 2**20
# Of all processes of Ray.
ENVIRONMENT = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join(map(str, [ROOT, ROOT / "core", ROOT / "adapters"])),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of one node, whose workers see this repository."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        made = ray.cluster_utils.Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 4,
                "resources": {"place": 1},
                "object_store_memory": 200 * _MB,
                "include_dashboard": False,
            },
        )
        ray.init(address=made.address, log_to_driver=False, logging_level="warning")
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def fit(cluster: Any, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Run a training function in workers; return what they have written down."""

    def run(function: Any, config: Any = None, **settings: Any) -> list[dict[str, Any]]:
        scaling = settings.pop("scaling", ScalingConfig(num_workers=2))
        TorchTrainer(
            function,
            train_loop_config={"folder": str(tmp_path), **(config or {})},
            scaling_config=scaling,
            run_config=RunConfig(
                storage_path=str(tmp_path / "storage"),
                failure_config=FailureConfig(max_failures=1),
            ),
            **settings,
        ).fit()
        return written(tmp_path)

    return run


def check(entries: list[dict[str, Any]]) -> None:
    """Every epoch that was ended has the sizes of the plan in every process."""
    epochs = [each for each in entries if "epoch" in each]
    for each in epochs:
        assert each["seen"] == PLANNED[each["epoch"]]
        assert each["mismatched"] == 0
    for rank in {each["rank"] for each in epochs}:
        mine = [each["epoch"] for each in epochs if each["rank"] == rank]
        assert mine[0] == 0
        assert set(mine) == set(range(len(PLANNED))) or rank > 0


def came_small(entries: list[dict[str, Any]]) -> bool:
    """Whether the loaders, and not the device, have made the sizes."""
    return all(each["came"] == each["seen"] for each in entries if "epoch" in each)


def test_the_script_of_the_page(tmp_path: Path) -> None:
    """Before there is a cluster of ours, which it would train in."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "examples" / "ray_train.py")],
        cwd=tmp_path,
        env=os.environ | ENVIRONMENT | {"RAY_ADDRESS": "local"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    page = (ROOT / "docs" / "ray.md").read_text("utf-8")
    assert f"```text\n{done.stdout}```\n" in page


def test_a_worker_dies_and_training_continues(fit: Any) -> None:
    entries = fit(training.train, {"wrong": "dies"})
    check(entries)
    assert came_small(entries)
    for each in entries:
        if "refused" in each:
            assert "upsize.ray.sized" in each["refused"]
            continue
        # As without upsize, in an order that set_epoch has changed.
        assert each["indices"] == each["without"]
    orders = {
        each["epoch"]: each["indices"]
        for each in entries
        if "epoch" in each and each["rank"] == 0
    }
    assert len({str(order) for order in orders.values()}) == len(PLANNED)
    assert sum("refused" in each for each in entries) == 4  # two tries of two workers


def test_a_node_is_lost_and_one_worker_continues(
    fit: Any, cluster: Any, tmp_path: Path
) -> None:
    node = cluster.add_node(
        num_cpus=1, resources={"place": 1}, object_store_memory=100 * _MB
    )
    cluster.wait_for_nodes()
    each = {"CPU": 1, "place": 1}
    scaling = ScalingConfig(num_workers=(1, 2), resources_per_worker=each)

    def lose() -> None:
        while not (tmp_path / "waits").exists():
            time.sleep(0.2)
        cluster.remove_node(node)

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    entries = fit(training.train, {"wrong": "shrinks"}, scaling=scaling)
    thread.join()
    check(entries)
    assert came_small(entries)
    worlds = [each["world"] for each in entries if "epoch" in each]
    assert sorted(set(worlds)) == [1, 2]
    assert worlds[0] == 2
    assert worlds[-1] == 1


def test_lightning(fit: Any) -> None:
    entries = fit(engines.with_lightning, {"wrong": "dies"})
    check(entries)
    assert came_small(entries)


def test_transformers(fit: Any) -> None:
    entries = fit(engines.with_transformers)
    assert len(entries) == 2
    for each in entries:
        assert each["came"] == each["seen"] == each["planned"]
        assert each["mismatched"] == 0
        assert len(set(each["seen"])) >= 4


def test_ray_data_is_resized_on_the_device(fit: Any) -> None:
    images = np.zeros((training.COUNT, 3, 32, 32), np.float32)
    rows = [{"image": each, "index": index} for index, each in enumerate(images)]
    entries = fit(engines.from_ray_data, datasets={"train": ray.data.from_items(rows)})
    check(entries)
    epochs = [each for each in entries if "epoch" in each]
    assert {size for each in epochs for size in each["came"]} == {32}
    assert all(len(each["seen"]) == STEPS for each in epochs)
