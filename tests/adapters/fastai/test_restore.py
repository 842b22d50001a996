"""However a fit ends, nothing is left behind; outside of a fit nothing happens."""

from __future__ import annotations

import copy
import itertools
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.callback.hook import ActivationStats
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from fastai.learner import Learner
from fastai.torch_core import set_seed
from tests.adapters.fastai.tools import (
    BATCHES,
    SIDE,
    TFMS,
    Seen,
    callback,
    learner,
    loaders,
    planned,
)

FULL = (SIDE, SIDE)


class Stop(Callback):
    """Ends a fit in the middle of its third epoch, at less than full size."""

    order = 30

    def __init__(self, error: Any, event: str = "before_batch") -> None:
        super().__init__()
        self.error = error
        if event == "before_fit":
            self.before_fit = self.throw
        else:
            self.before_batch = self.throw

    def throw(self) -> None:
        if getattr(self, "train_iter", 9) == 2 * BATCHES + 1 or hasattr(self, "now"):
            raise self.error


def state(dls: Any) -> Any:
    """Give what a fit may touch in the loaders."""
    found = []
    for dl in dls.loaders:
        pipeline = dl.after_batch
        found.append((id(pipeline), type(pipeline), list(map(id, pipeline.fs))))
        found.extend(
            (getattr(t, "size", None), getattr(t, "mode", None)) for t in pipeline.fs
        )
    return found


@pytest.mark.parametrize(
    ("tfms", "error"),
    [
        *((tfms, KeyboardInterrupt()) for tfms in TFMS),
        ("aug", RuntimeError("from a batch")),
        ("sized", CancelFitException()),
    ],
)
def test_after_an_interruption(tfms: str, error: Any) -> None:
    dls = loaders(TFMS[tfms]())
    before = state(dls)
    seen, resize = Seen(), callback()
    learn = learner(dls, resize, seen, Stop(error))
    metrics = list(learn.metrics)
    if isinstance(error, CancelFitException):
        with pytest.warns(UserWarning, match="training ended at"):
            learn.fit(4)
    else:
        with pytest.raises(type(error)):
            learn.fit(4)
    assert seen.train[-1] < FULL
    assert state(dls) == before
    assert list(learn.metrics) == metrics
    # The loaders give full size, also to a learner that knows nothing of us.
    learn.validate()
    assert seen.valid[-1] == FULL
    assert dls.train.one_batch()[0].shape[-2:] == FULL
    again, resize = Seen(), callback()
    learner(dls, resize, again).fit(4)
    assert again.train == planned(resize, range(4 * BATCHES))
    assert again.train[-1] == FULL


def test_after_an_error_in_another_before_fit() -> None:
    dls = loaders(TFMS["sized"]())
    before = state(dls)
    stop = Stop(ValueError("from before_fit"), "before_fit")
    stop.now = True
    learn = learner(dls, callback(), stop)
    with pytest.raises(ValueError, match="from before_fit"):
        learn.fit(4)
    assert state(dls) == before
    assert not learn.metrics


def test_after_early_stopping() -> None:
    dls = loaders(TFMS["aug"]())
    before = state(dls)
    stopping = EarlyStoppingCallback(patience=1, min_delta=1e9)
    with pytest.warns(UserWarning, match="training ended at"):
        learner(dls, callback(resize_valid=False), stopping).fit(8)
    assert state(dls) == before


@pytest.mark.parametrize("tfms", TFMS)
def test_after_a_fit_that_never_reaches_full_size(tfms: str) -> None:
    dls = loaders(TFMS[tfms]())
    before = state(dls)
    with pytest.warns(UserWarning, match="never reached"):
        learner(dls, callback(finish=1.0)).fit(4)
    assert state(dls) == before


def test_the_loaders_own_mode_comes_back_at_full_size() -> None:
    from fastai.vision.augment import RandomResizedCropGPU

    modes: list[Any] = []

    class Crop(RandomResizedCropGPU):
        def encodes(self, x: Any) -> Any:
            return x

        def before_call(self, b: Any, split_idx: Any) -> None:
            modes.append((self.mode, tuple(self.size)))
            super().before_call(b, split_idx)

    crop = Crop(SIDE, mode="bicubic")
    dls = loaders([crop])
    modes.clear()
    learner(dls, callback(resize_mode="nearest", resize_valid=False)).fit(4)
    assert {mode for mode, size in modes if size == FULL} == {"bicubic"}
    assert {mode for mode, size in modes if size < FULL} == {"nearest"}
    assert crop.mode == "bicubic"


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("tfms", ["none", "aug", "sized"])
def test_outside_of_a_fit_nothing_happens(
    tfms: str, fitted: bool, tmp_path: Path
) -> None:
    dls = loaders(TFMS[tfms]())
    before = state(dls)
    seen = Seen()
    learn = learner(dls, callback(), seen, path=tmp_path)
    if fitted:
        learn.fit(2)
    moments = [] if learn.opt is None else learn.opt.state_dict()["state"]
    held = copy.deepcopy(moments)
    for inference in (
        learn.validate,
        learn.get_preds,
        lambda: learn.tta(n=2),
        learn.summary,
        lambda: learn.predict(dls.train_ds.items[0]),
        lambda: learn.show_results(max_n=2),
    ):
        seen.train.clear(), seen.valid.clear()
        inference()
        assert state(dls) == before
        assert not seen.train
        assert set(seen.valid) == {FULL}
    assert len(learn.validate()) == 1  # no column of ours
    if fitted:
        for one, other in zip(held, learn.opt.state_dict()["state"], strict=True):
            assert one.keys() == other.keys()
            for key, value in one.items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(other[key]))


def test_the_learning_rate_finder_runs_at_full_size(tmp_path: Path) -> None:
    dls, seen = loaders(TFMS["sized"]()), Seen()
    before = state(dls)
    resize = callback()
    learn = learner(dls, resize, seen, path=tmp_path)
    learn.lr_find(num_it=8, show_plot=False)
    assert set(seen.train) == {FULL}
    assert state(dls) == before
    assert resize.plan is None


@pytest.mark.parametrize("with_opt", [False, True])
def test_the_dry_run_leaves_no_trace(with_opt: bool, tmp_path: Path) -> None:
    results = []
    for preallocate in (False, True):
        set_seed(0)
        learn = learner(loaders(TFMS["aug"]()), path=tmp_path)
        learn.fit(1)
        if with_opt:
            learn.save("saved")
            learn = learner(loaders(TFMS["aug"]()), path=tmp_path)
            learn.load("saved", with_opt=True)
        held = len(learn.opt.state_dict()["state"])
        set_seed(0)
        resize = callback(preallocate=preallocate, preallocate_bs=9)
        sizes: list[Any] = []
        hook = learn.model[0][0].register_forward_pre_hook(
            lambda module, args, sizes=sizes: sizes.append(args[0].shape)
        )
        learn.fit(4, cbs=resize)
        hook.remove()
        assert len(learn.opt.state_dict()["state"]) == held
        assert (sizes[0] == (9, 3, SIDE, SIDE)) == preallocate
        drawn = random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002
        results.append((learn.model.state_dict(), drawn, learn.opt.state_dict()))
    (plain, draws, opt), (dry, dry_draws, dry_opt) = results
    assert draws == dry_draws
    for name, value in plain.items():
        assert torch.equal(value, dry[name]), name
    assert plain["0.1.num_batches_tracked"] > 0
    for one, other in zip(opt["state"], dry_opt["state"], strict=True):
        for key, value in one.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(other[key]))


def test_an_error_in_the_dry_run_says_so() -> None:
    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(1, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[-1] == SIDE:
                raise RuntimeError("too large")
            return self.net(x.mean((1, 2, 3))[:, None])

    model = Small()
    learn = learner(loaders(), callback(), model=model, splitter=lambda m: [list(m.parameters())])  # fmt: skip
    with pytest.raises(RuntimeError, match="too large") as caught:
        learn.fit(4)
    # fastai raises another error of the same type, from this one.
    error, notes = caught.value, []
    while error is not None:
        notes += getattr(error, "__notes__", [])
        error = error.__cause__ or error.__context__
    assert any("preallocate=False" in note for note in notes)


@pytest.mark.parametrize(
    ("when", "frozen", "tfms"),
    [
        ("initial", {(16, 16)}, "none"),
        ("final", {FULL}, "none"),
        ("schedule", None, "aug"),
    ],
)
def test_fine_tune_runs_the_schedule_once(when: Any, frozen: Any, tfms: str) -> None:
    seen, resize = Seen(), callback(start=2, finish=4, when_frozen=when)
    if when == "schedule":
        resize = callback(when_frozen=when)
    learn = learner(loaders(TFMS[tfms]()), resize, seen)
    learn.fine_tune(6, freeze_epochs=4)
    first, second = seen.train[: 4 * BATCHES], seen.train[4 * BATCHES :]
    assert second == planned(resize, range(6 * BATCHES))
    assert second[-1] == FULL
    if frozen is None:
        assert (first[0], first[-1]) == ((16, 16), FULL)
    else:
        assert set(first) == frozen


def test_fine_tune_says_what_the_frozen_part_does(capsys: Any) -> None:
    learner(loaders(), callback(verbose=True)).fine_tune(4)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "Training the frozen model at the initial image size of [16, 16]."
    assert second.startswith("16x16 until epoch")


def test_a_frozen_model_that_is_fitted_by_itself_runs_the_schedule() -> None:
    seen, resize = Seen(), callback()
    learn = learner(loaders(), resize, seen)
    learn.freeze()
    learn.fit(4)
    assert seen.train == planned(resize, range(4 * BATCHES))
    assert seen.train[-1] == FULL


def test_tracking_callbacks_are_told_of_losses_at_different_sizes(
    tmp_path: Path,
) -> None:
    learn = learner(loaders(), callback(), SaveModelCallback(), path=tmp_path)
    with pytest.warns(UserWarning, match="resize_valid=False"):
        learn.fit(4)
    seen = Seen()
    learn = learner(
        loaders(),
        callback(resize_valid=False),
        SaveModelCallback(),
        seen,
        path=tmp_path,
    )
    learn.fit(4)  # no warning
    assert set(seen.valid) == {FULL}


LOAD = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.modules["upsize"] = None
sys.path.insert(0, ".")
import network_of_test
import torch
from fastai.learner import load_learner
for file in sys.argv[1:]:
    try:
        learn = load_learner(file)
    except UnboundLocalError as error:  # fastai loses the error that counts
        raise error.__context__ or error
    sizes = [str(getattr(t, "size", None)) for t in learn.dls.train.after_batch.fs]
    shape = list(learn.model(torch.rand(1, 3, 32, 32)).shape)
    found = any("upsize" in name for name in sys.modules if sys.modules[name])
    print(json.dumps([sizes, shape, found]))
"""
DATA = """
import numpy as np
from fastai.vision.core import PILImage
def get_x(i):
    shape = (32, 32, 3)
    return PILImage.create(np.random.default_rng(i).integers(0, 255, shape, dtype=np.uint8))
def get_y(i):
    return i % 2
"""


def export(folder: Path, file: str, tfms: str, inside: bool) -> None:
    """Export a learner whose fit is interrupted, inside of the fit or after it."""
    import network_of_test  # type: ignore[import-not-found]
    from fastai.data.block import CategoryBlock, DataBlock
    from fastai.vision.data import ImageBlock

    block = DataBlock(
        (ImageBlock, CategoryBlock), get_x=network_of_test.get_x,
        get_y=network_of_test.get_y, batch_tfms=TFMS[tfms](),
    )  # fmt: skip
    dls = block.dataloaders(range(20), bs=4, num_workers=0, device="cpu")
    learn = Learner(
        dls,
        torch.nn.Sequential(
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2)
        ),
        loss_func=torch.nn.functional.cross_entropy,
        path=folder,
        cbs=callback(),
    )
    learn.remove_cb(learn.progress)

    class Export(Callback):
        def before_batch(self) -> None:
            if self.train_iter == 9:
                if inside:
                    with learn.removed_cbs(self):
                        learn.export(file)
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn.fit(4, cbs=Export())
    if not inside:
        learn.export(file)


def test_an_export_holds_full_size_and_needs_no_upsize(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "network_of_test.py").write_text(DATA)
    monkeypatch.syspath_prepend(tmp_path)
    kinds = list(itertools.product(["aug", "sized"], [False, True]))
    files = [f"{tfms}-{inside}.pkl" for tfms, inside in kinds]
    for file, kind in zip(files, kinds, strict=True):
        export(tmp_path, file, *kind)
    # All of them in one process without upsize.
    command = [sys.executable, "-c", LOAD, *files]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    for (tfms, _), (sizes, shape, found) in zip(kinds, reports, strict=True):
        assert ("32" if tfms == "sized" else "None") in " ".join(sizes)
        assert "16" not in " ".join(sizes)
        assert shape == [1, 2]
        assert not found


def test_activation_stats_and_a_removed_callback() -> None:
    resize = callback()
    learn = learner(loaders(), ActivationStats(modules=[]), resize)
    learn.remove_cb(resize)
    assert "_with_events" not in vars(learn)
    seen = Seen()
    learn.add_cb(seen)
    learn.fit(1)
    assert set(seen.train) == {FULL}


def listen(learn: Any, calls: list[str]) -> Any:
    """Stand in for the method that we stand in for, too."""
    inner = learn._with_events

    def spy(f: Any, event_type: str, *more: Any) -> None:
        calls.append(event_type)
        inner(f, event_type, *more)

    learn._with_events = spy
    return spy


@pytest.mark.parametrize("late", [False, True])
def test_beside_another_tool_that_stands_there(late: bool) -> None:
    resize = callback()
    calls: list[str] = []
    learn = learner(loaders(), *([resize] if late else []))
    theirs = listen(learn, calls)
    if not late:
        learn.add_cb(resize)
    learn.fit(2)
    assert "fit" in calls
    learn.remove_cb(resize)
    assert learn._with_events is theirs
    seen = Seen()
    learn.add_cb(seen)
    learn.fit(1)
    assert set(seen.train) == {FULL}
