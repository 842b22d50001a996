"""Small copies: made once, whole or not at all, and read where they cover."""

from __future__ import annotations

import io
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tests.core.loading.copies import (
    FULL,
    Folders,
    everything,
    exported,
    make,
    photograph,
)
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import default_loader

from upsize.loading import (
    CopiesReport,
    CopyLoader,
    estimate_copies,
    open_image,
    sample_size,
    small_copies,
)
from upsize.loading._copies import _job, _pool, _small_copies
from upsize.loading._copies._chosen import sizes_of
from upsize.loading._copies._settings import CopySettings, copy_size
from upsize.schedule import Linear, Phases, Ramp, Size


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for name in ("cat/a.jpg", "cat/b.JPEG", "dog/c.png", "dog/deep/d.webp"):
        photograph(tmp_path / "images" / name)
    (tmp_path / "images" / "cat" / "notes.txt").write_text("no image")
    photograph(tmp_path / "images" / "cat" / ".hidden.jpg")
    photograph(tmp_path / "images" / ".hidden" / "e.jpg")
    return Folders(tmp_path / "images", tmp_path / "small")


class TestMaking:
    def test_what_is_made(self, folders: Folders) -> None:
        report = make(folders)
        assert [*everything(folders.target)] == ["data.mdb"]
        made = exported(folders.target)
        assert sorted(made) == [
            f"{size}/{name}"
            for size in ("112x112", "168x168")
            for name in (
                "cat/a.jpg", "cat/b.JPEG", "dog/c.png", "dog/deep/d.webp.png",
            )
        ]  # fmt: skip
        # Pillow's own quality is 75, which that of a copy is not above.
        assert report == CopiesReport(4, 0, 0, report.bytes, lowered=2)
        total = sum(map(len, made.values()))
        assert total < report.bytes < total + 8 * 20  # with what each is a copy of
        for name, data in made.items():
            with Image.open(io.BytesIO(data)) as image:
                assert image.size == ((250, 188) if "112x" in name else (375, 282))
                assert image.format == ("PNG" if name.endswith(".png") else "JPEG")
        with Image.open(folders.source / "dog" / "c.png") as image:
            near = image.convert("RGB").resize((250, 188), Image.Resampling.LANCZOS)
        with Image.open(io.BytesIO(made["112x112/dog/c.png"])) as image:
            assert np.array_equal(np.asarray(image), np.asarray(near))

    def test_again_there_is_nothing_to_do(self, folders: Folders) -> None:
        make(folders)
        before = everything(folders.target)
        stamp = folders.target.joinpath("data.mdb").stat().st_mtime_ns
        assert make(folders) == CopiesReport(0, 4, 0, 0)
        assert everything(folders.target) == before
        assert folders.target.joinpath("data.mdb").stat().st_mtime_ns == stamp
        assert estimate_copies(*folders, sizes=[168, 112], full=224).images == 0

    def test_changed_new_and_removed_images(self, folders: Folders) -> None:
        make(folders)
        photograph(folders.source / "cat" / "a.jpg", 600, 450)
        photograph(folders.source / "dog" / "f.jpg")
        (folders.source / "dog" / "deep" / "d.webp").unlink()
        report = make(folders)
        assert (report.made, report.kept, report.removed) == (2, 2, 1)
        made = exported(folders.target)
        with Image.open(io.BytesIO(made["112x112/cat/a.jpg"])) as image:
            assert image.size == (300, 225)
        assert not [name for name in made if "d.webp" in name]
        assert make(folders) == CopiesReport(0, 4, 0, 0)
        fresh = Folders(folders.source, folders.target.with_name("fresh"))
        make(fresh)
        assert exported(fresh.target) == made

    def test_names_of_every_kind(self, folders: Folders) -> None:
        """LMDB's keys have 511 bytes, and paths may have any bytes."""
        long = "/".join(["a" * 200] * 3)
        names = [
            f"{long}/b.jpg",
            f"{long}/c.jpg",
            "\udcff.png",
            "new\nline.jpg",
            "ü.jpg",
        ]
        for name in names:
            path = folders.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            photograph(folders.source / "tmp.png", 400 + len(name) % 90, 300)
            with Image.open(folders.source / "tmp.png") as image:
                image.save(path, "PNG" if name.endswith("png") else "JPEG")
        (folders.source / "tmp.png").unlink()
        assert make(folders).made == 9
        assert make(folders) == CopiesReport(0, 9, 0, 0)
        load = CopyLoader(*folders)
        for name in names:
            with sample_size(Size(112, 112), FULL):
                small = load(folders.source / name)
            with Image.open(folders.source / name) as image:
                assert small.width == -(-image.width * 188 // 375) or small.width < 300
                assert small.width < image.width
        (folders.source / names[0]).unlink()
        assert make(folders) == CopiesReport(0, 8, 1, 0)

    @pytest.mark.parametrize(
        "options",
        [{"quality": 50}, {"sizes": [96]}, {"full": 256}, {"least_scale": 0.9}],
    )
    def test_other_settings(self, folders: Folders, options: Any) -> None:
        make(folders)
        report = make(folders, **options)
        assert report.made == 4
        fresh = Folders(folders.source, folders.target.with_name("fresh"))
        make(fresh, **options)
        assert exported(folders.target) == exported(fresh.target)
        if "least_scale" in options:  # a crop of at least 308 pixels is not enlarged
            small = exported(folders.target)["112x112/cat/a.jpg"]
            with Image.open(io.BytesIO(small)) as image:
                assert image.size == (182, 137)

    def test_an_original_that_becomes_small(self, folders: Folders) -> None:
        make(folders, sizes=[200], least_scale=1.0)
        copy = "200x200/cat/a.jpg"
        assert copy in exported(folders.target)
        photograph(folders.source / "cat" / "a.jpg", 240, 230)
        report = make(folders, sizes=[200], least_scale=1.0)
        assert (report.made, report.kept, report.bytes) == (1, 3, 0)
        assert copy not in exported(folders.target)
        assert make(folders, sizes=[200], least_scale=1.0).kept == 4

    def test_grey_cmyk_and_deep_images(self, tmp_path: Path) -> None:
        source = tmp_path / "images"
        colours = Image.open(photograph(source / "a.png"))
        colours.convert("L").save(source / "grey.jpg")
        colours.convert("CMYK").save(source / "cmyk.jpg")
        colours.close()
        deep = np.linspace(0, 3000, 500 * 375).reshape(375, 500).astype(np.uint16)
        Image.fromarray(deep).save(source / "deep.png")
        folders = Folders(source, tmp_path / "small")
        make(folders)
        load = CopyLoader(*folders)
        for name, mode in (
            ("grey.jpg", "L"), ("cmyk.jpg", "RGB"), ("deep.png", "RGB"),
        ):  # fmt: skip
            small = exported(folders.target)[f"112x112/{name}"]
            with Image.open(io.BytesIO(small)) as image:
                assert image.mode == mode
            near = default_loader(str(source / name)).resize((250, 188))
            with sample_size(Size(112, 112), FULL):
                copy = load(source / name)
            difference = np.asarray(near, int) - np.asarray(copy, int)
            assert np.abs(difference).mean() < 10

    def test_in_a_process_for_each_core_and_in_this_one_the_same(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_small_copies.os, "cpu_count", lambda: 2)
        other = Folders(folders.source, folders.target.with_name("other"))
        seen: list[Any] = []

        def track(results: Iterable[Any], count: int) -> Iterable[Any]:
            seen.append(count)
            for result in results:
                seen.append(result.name)
                yield result

        make(folders)
        assert make(other, workers=None, track=track).made == 4
        assert seen == [4, "cat/a.jpg", "cat/b.JPEG", "dog/c.png", "dog/deep/d.webp"]
        assert exported(other.target) == exported(folders.target)


PROGRAM = """
import sys
import time
from upsize.loading import small_copies
from upsize.loading._copies import _job

_job._MOST_IMAGES = 4

def track(results, count):
    for number, result in enumerate(results):
        yield result
        print(number, flush=True)
        if number == 24:
            time.sleep(1000)  # it never comes to its end before it is killed

if __name__ == "__main__":
    small_copies(*sys.argv[1:3], sizes=[112, 168], full=224, workers=int(sys.argv[3]),
                 track=track)
"""


class TestKilled:
    def test_in_the_middle(self, tmp_path: Path) -> None:
        folders = Folders(tmp_path / "images", tmp_path / "small")
        first = photograph(folders.source / "000.jpg", 800, 600)
        for number in range(1, 40):
            shutil.copy(first, folders.source / f"{number:03}.jpg")
        program = tmp_path / "program.py"
        program.write_text(PROGRAM)
        process = subprocess.Popen(
            [sys.executable, str(program), *map(str, folders), "2"],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        while process.stdout.readline() != b"9\n":
            assert process.poll() is None
        children = _children(process.pid)
        assert children
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        deadline = time.monotonic() + 120
        while any(map(_alive, children)):  # none stays behind
            assert time.monotonic() < deadline
            time.sleep(0.05)
        halfway = exported(folders.target)
        for data in halfway.values():
            with Image.open(io.BytesIO(data)) as image:
                image.load()  # whole: it is not truncated
        report = make(folders)
        assert report.kept >= 8
        assert 2 * report.kept == len(halfway)
        assert report.made == 40 - report.kept
        whole = Folders(folders.source, tmp_path / "whole")
        make(whole)
        assert exported(folders.target) == exported(whole.target)

    def test_a_worker_ends_with_its_parent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _pool._end_with_parent()  # the main process has none
        ended: list[int] = []

        class Parent:
            def join(self) -> None:
                pass

        monkeypatch.setattr(_pool.multiprocessing, "parent_process", Parent)
        monkeypatch.setattr(_pool.os, "_exit", ended.append)
        _pool._end_with_parent()
        deadline = time.monotonic() + 60
        while not ended and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ended == [1]


def _children(pid: int) -> list[int]:
    """The worker processes; not Python's tracker of resources, which ends by itself."""
    lines = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [
        int(child)
        for child in lines
        if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def _alive(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except FileNotFoundError:
        return False


class TestEstimate:
    def test_it_is_near(self, tmp_path: Path) -> None:
        folders = Folders(tmp_path / "images", tmp_path / "small")
        for number in range(100):
            photograph(folders.source / f"{number}.jpg", 200 + number, 200)
        need = estimate_copies(*folders, sizes=[112], full=224)
        assert need.images == 100
        assert need.free > 0
        assert need.settings.sizes == (Size(112, 112),)
        assert not folders.target.exists()
        report = make(folders, sizes=[112])
        assert report.bytes < need.bytes
        size = folders.target.joinpath("data.mdb").stat().st_size
        assert size == pytest.approx(need.bytes, rel=0.15)
        assert report.lowered == need.lowered == 100  # from 90 to their own 75

    def test_too_little_disk(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = shutil.disk_usage(folders.source)._replace(free=10)
        monkeypatch.setattr(_job.shutil, "disk_usage", lambda place: usage)
        with pytest.raises(
            ValueError, match=r"small: .*4 images need about .* are free"
        ):
            make(folders)
        assert not folders.target.exists()


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"least_scale": 0}, "least_scale must be a share .* not 0"),
            ({"least_scale": 1.5}, "least_scale must be"),
            ({"quality": 96}, "quality must be from 1 to 95, not 96"),
            ({"quality": 0}, "quality must be a whole number of at least 1, not 0"),
            (
                {"sizes": [224]},
                "sizes must be below the full size 224x224, not 224x224",
            ),
            ({"sizes": [(112, 256)]}, "below the full size 224x224, not 112x256"),
            ({"sizes": [0]}, "must be pixels"),
            ({"sizes": []}, "give a plan, or the sizes and the full size"),
            ({"full": None}, "give a plan, or the sizes and the full size"),
            ({"workers": -1}, "workers must be .* not -1"),
            ({"plan": Ramp(final_size=224).plan(total_steps=9)}, "leave out sizes"),
        ],
    )
    def test_settings(
        self, folders: Folders, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            make(folders, **options)
        assert not folders.target.exists()

    def test_plans_without_a_small_size(self, folders: Folders) -> None:
        plan = Ramp(initial_size=1.0, final_size=224).plan(total_steps=9)
        with pytest.raises(ValueError, match="no size of the plan is below"):
            small_copies(*folders, plan=plan, workers=0)
        plan = Ramp(final_size=224).plan(total_steps=9)
        with pytest.raises(ValueError, match="most must be a whole number"):
            small_copies(*folders, plan=plan, most=0)

    def test_folders(self, folders: Folders) -> None:
        none = folders.source / "none"
        with pytest.raises(ValueError, match="none: no such folder of images"):
            make(Folders(none, folders.target))
        none.mkdir()
        with pytest.raises(ValueError, match="none: no images in this folder"):
            make(Folders(none, folders.target))
        for target in (folders.source, folders.source / "small"):
            with pytest.raises(ValueError, match="must be apart from"):
                make(Folders(folders.source, target))
        file = photograph(folders.target.with_name("file.jpg"))
        with pytest.raises(ValueError, match=r"file\.jpg: is not a folder"):
            make(Folders(folders.source, file))


class TestSizes:
    def test_those_of_a_plan(self, folders: Folders) -> None:
        plan = Ramp(final_size=224).plan(total_steps=2940)
        assert sizes_of(plan, 1) == (Size(112, 112),)
        need = estimate_copies(*folders, plan=plan, most=3)
        assert [size.height for size in need.settings.sizes] == [112, 152, 188]
        assert need.settings.full == FULL
        assert make(folders, plan=plan, sizes=None, full=None).made == 4

    @settings(max_examples=30, deadline=None)
    @given(
        most=st.integers(1, 3),
        phases=st.lists(
            st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5
        ),
    )
    def test_none_read_fewer_pixels(
        self, most: int, phases: list[tuple[int, int]]
    ) -> None:
        from itertools import combinations

        start, side, points = 0, 0, []
        for steps, more in phases:
            side += more
            points.append((f"{start}st", side))
            start += steps
        plan = Phases(phases=points).plan(total_steps=start)

        def read(copies: Iterable[Size]) -> int:
            pixels = 0
            for a, b, size in plan.stages:
                fitting = [copy for copy in copies if copy >= size]
                if size == plan.final_size:
                    fitting = []
                side = min(fitting, default=plan.final_size).height
                pixels += (b - a) * side * side
            return pixels

        small = [size for size in plan.sizes if size != plan.final_size]
        best = min(
            read(copies)
            for count in range(min(most, len(small)) + 1)
            for copies in combinations(small, count)
        )
        chosen = sizes_of(plan, most)
        assert len(chosen) <= most
        assert read(chosen) == best

    def test_a_long_ramp_is_quick(self) -> None:
        plan = Linear(initial_size=4, final_size=600).plan(total_steps=10_000)
        assert len(sizes_of(plan, 3)) == 3

    @settings(deadline=None)
    @given(
        image=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
        full=st.tuples(st.integers(2, 600), st.integers(2, 600)),
        least_scale=st.floats(0.01, 1.0),
        data=st.data(),
    )
    def test_no_crop_is_enlarged_more_than_at_full_size(
        self, image: Any, full: Any, least_scale: float, data: Any
    ) -> None:
        size = Size(*(data.draw(st.integers(1, side - 1)) for side in full))
        common = CopySettings((size,), Size(*full), least_scale, 90)
        copy = copy_size(Size(*image), size, common)
        if copy is None:
            return
        area = least_scale * image[0] * image[1]
        ratio = data.draw(st.floats(3 / 4, 4 / 3))
        crop = (area / ratio) ** 0.5, (area * ratio) ** 0.5
        if crop[0] > image[0] or crop[1] > image[1]:
            return  # it is not drawn
        for axis in (0, 1):
            enlarged = size[axis] / (crop[axis] * copy[axis] / image[axis])
            assert enlarged <= max(1, full[axis] / crop[axis]) + 1e-5


class TestReading:
    @pytest.fixture
    def made(self, folders: Folders) -> Folders:
        make(folders)
        return folders

    def test_the_smallest_that_covers(self, made: Folders) -> None:
        load = CopyLoader(*made)
        path = made.source / "cat" / "a.jpg"
        assert load(path).size == (500, 375)
        for side, width in [(56, 250), (112, 250), (113, 375), (168, 375), (169, 500)]:
            with sample_size(Size(side, side), FULL):
                assert load(str(path)).width == width
        with sample_size(Size(128, 128), Size(256, 256)):  # in its ratio
            assert load(path).width == 250
        with sample_size(Size(100, 140), FULL):
            assert load(path).width == 375
        whole = np.asarray(default_loader(str(path)))
        with sample_size(FULL, FULL):
            assert np.array_equal(np.asarray(load(path)), whole)

    def test_in_an_image_folder(
        self, made: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(made.source.parent)
        load = CopyLoader("images", "small")
        # ImageFolder lists hidden images, too: they have no copies.
        shutil.rmtree("images/.hidden")
        Path("images/cat/.hidden.jpg").unlink()
        dataset = pickle.loads(pickle.dumps(ImageFolder("images", loader=load)))
        assert len(dataset) == 4
        with sample_size(Size(112, 112), FULL):
            assert {image.size for image, _ in dataset} == {(250, 188)}
        assert load == CopyLoader("images", "small")

    def test_turned(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        folders = Folders(tmp_path / "images", tmp_path / "small")
        for name in ("a.jpg", "b.png"):
            path = photograph(folders.source / name, exif=exif)
            make(folders)
            with Image.open(path) as image:
                near = ImageOps.exif_transpose(image).convert("RGB").resize((188, 250))
            with sample_size(Size(112, 112), FULL):
                assert CopyLoader(*folders)(path).size == (250, 188)
                copy = CopyLoader(*folders, exif=True)(path)
            assert copy.size == (188, 250)
            difference = np.asarray(near, int) - np.asarray(copy, int)
            assert np.abs(difference).mean() < 10
            assert open_image(path, exif=True).size == (375, 500)

    def test_refused(self, made: Folders) -> None:
        with pytest.raises(ValueError, match="none: holds no small copies: make them"):
            CopyLoader(made.source, made.target / "none")
        load = CopyLoader(*made)
        with (
            sample_size(Size(112, 112), FULL),
            pytest.raises(ValueError, match=r"a\.jpg: is not in .*images, of"),
        ):
            load(made.target / "112x112" / "cat" / "a.jpg")
        with pytest.raises(FileNotFoundError):
            load(made.source / "none.jpg")
