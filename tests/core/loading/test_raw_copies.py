"""Raw copies: the pixels of other copies, read where they lie in the store's file."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any, Self

import lmdb
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from tests.core.loading.copies import FULL, Folders, exported, make, opened, photograph
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from upsize.loading import (
    CopyLoader,
    RandomResizedCropDecode,
    estimate_copies,
    open_image,
    sample_size,
)
from upsize.loading._copies import _job
from upsize.loading._copies._make import Made
from upsize.loading._copies._raw import RawImage, pack_pixels, read_shape
from upsize.loading._copies._records import Encoding, pack_copy, unpack_copy
from upsize.loading._copies._settings import CopySettings
from upsize.loading._copies._writer import Writer
from upsize.loading._dataset import SizedDataset
from upsize.loading._images._folder import Found
from upsize.loading._images._resample import planes_of
from upsize.loading._made_batch import MadeBatch
from upsize.schedule import Size

SMALL = Size(112, 112)
KEY = b"c\0\0\0\x70\0\0\0\x70"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """PNG files, as the copies of these are without loss in every store."""
    source = tmp_path / "images"
    colours = Image.open(photograph(source / "rgb.png", 250, 188))
    colours.convert("L").save(source / "grey.png")
    colours.convert("P").save(source / "palette.png")
    colours.convert("RGBA").save(source / "alpha.png")
    colours.convert("CMYK").save(source / "cmyk.tif")
    deep = np.linspace(0, 3000, 250 * 188).reshape(188, 250).astype(np.uint16)
    Image.fromarray(deep).save(source / "deep.png")
    for number in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = number
        colours.save(source / f"turn{number}.png", exif=exif)
    return Folders(source, tmp_path / "small")


def both(folders: Folders, **options: Any) -> tuple[Folders, Folders]:
    """Stores of the same copies: PNG, and raw."""
    raw = Folders(folders.source, folders.target.with_name("raw"))
    made = make(folders, **options), make(raw, encoding="raw", **options)
    assert made[0].made == made[1].made
    return folders, raw


class TestPixels:
    @pytest.mark.parametrize("exif", [False, True])
    def test_those_of_a_copy_without_loss(self, folders: Folders, exif: bool) -> None:
        png, raw = (CopyLoader(*each, exif=exif) for each in both(folders, sizes=[112]))
        paths = sorted(folders.source.iterdir())
        assert len(paths) == 13
        for path in paths:
            with sample_size(SMALL, FULL):
                want, found = png(path), raw(path)
            assert found.mode == "RGB"
            assert max(found.size) == 125
            assert np.array_equal(np.asarray(want), np.asarray(found)), path

    @pytest.mark.parametrize("output", ["pil", "tensor"])
    @pytest.mark.parametrize("exif", [False, True])
    def test_crops(self, folders: Folders, exif: bool, output: Any) -> None:
        loads = [
            RandomResizedCropDecode(
                224,
                exif=exif,
                sharp=False,
                copies=CopyLoader(*each, exif=exif),
                output=output,
            )
            for each in both(folders, sizes=[112])
        ]
        for path in sorted(folders.source.iterdir()):
            crops = []
            for load in loads:
                torch.manual_seed(3)
                with sample_size(SMALL, FULL):
                    crops.append(np.asarray(load(path)))
            assert np.array_equal(*crops), path

    def test_of_a_jpeg(self, folders: Folders) -> None:
        """Before a JPEG copy would be encoded."""
        path = photograph(folders.source / "a.jpg")
        make(folders, sizes=[112], encoding="raw")
        near = open_image(path).resize((250, 188), Image.Resampling.LANCZOS)
        with sample_size(SMALL, FULL):
            assert np.array_equal(
                np.asarray(CopyLoader(*folders)(path)), np.asarray(near)
            )

    def test_grey_has_one_byte_a_pixel(self, folders: Folders) -> None:
        make(folders, sizes=[112], encoding="raw")
        with opened(folders.target) as store:
            lengths = [len(store.get(KEY + name)) for name in (b"grey.png", b"rgb.png")]
        assert (lengths[1] - lengths[0]) == 2 * 125 * 94

    def test_a_crop_is_never_a_view_of_the_store(self, tmp_path: Path) -> None:
        folders = Folders(tmp_path / "images", tmp_path / "small")
        photograph(folders.source / "a.png", 32, 32)
        make(folders, sizes=[8], full=16, encoding="raw", least_scale=1.0)
        load = RandomResizedCropDecode(
            16, (1, 1), (1, 1), copies=CopyLoader(*folders), output="tensor"
        )
        for side in (8, 1):
            with sample_size(Size(side, side), Size(16, 16)):
                crop = load(folders.source / "a.png")
            assert crop.shape == (3, side, side)
            assert crop.untyped_storage().nbytes() == 3 * side * side
            crop += 1  # to write to the store's file would end the process

    def test_export(self, folders: Folders) -> None:
        """As PNG, with the EXIF orientation, under the names of the images."""
        photograph(folders.source / "a.jpg")
        make(folders, sizes=[112], encoding="raw")
        files = exported(folders.target)
        assert len(files) == 14
        with Image.open(io.BytesIO(files["112x112/a.jpg.png"])) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (250, 188))
        with Image.open(io.BytesIO(files["112x112/grey.png"])) as image:
            assert image.mode == "L"
        with Image.open(io.BytesIO(files["112x112/turn6.png"])) as image:
            assert image.size == (125, 94)
            assert ImageOps.exif_transpose(image).size == (94, 125)


class TestWholeBatches:
    """Crops wait until all copies of a batch are found, and are the same ones."""

    def test_they_are_the_samples(self, folders: Folders, tmp_path: Path) -> None:
        source = tmp_path / "classes"
        source.mkdir()
        folders.source.rename(source / "one")
        copies = Folders(source, folders.target)
        make(copies, sizes=[112], encoding="raw")
        (source / "one" / "a.jpg").write_bytes(b"no image")  # and no copy
        with opened(folders.target) as store:
            store.put(KEY + b"one/rgb.png", b"damaged")
        load = RandomResizedCropDecode(
            224, exif=True, sharp=False, copies=CopyLoader(*copies), output="tensor"
        )
        data = ImageFolder(source, v2.RandomHorizontalFlip(), loader=load)
        whole = SizedDataset(data)
        indices = [1, 5, 5, 12, 6, 9, 7, 3, 2, 11]
        assert data.samples[6][0].endswith("rgb.png")

        def one_by_one() -> list[Any]:
            with sample_size(SMALL, FULL):
                return [data[index] for index in indices]

        torch.manual_seed(2)
        with pytest.warns(UserWarning, match=r"rgb\.png: its small copy is not used"):
            batch = whole.samples_at(indices, SMALL, FULL)
        after = torch.rand(1)
        torch.manual_seed(2)
        with pytest.warns(UserWarning, match=r"rgb\.png: its small copy is not used"):
            samples = one_by_one()
        assert torch.equal(after, torch.rand(1))
        assert type(batch) is MadeBatch
        for (image, target), (found, label) in zip(samples, batch, strict=True):
            assert torch.equal(image, found)
            assert target == label
        with (
            pytest.warns(UserWarning, match=r"a\.jpg: .*small has no copies of this"),
            pytest.raises(ValueError, match=r"a\.jpg: cannot be read as an image"),
        ):
            whole.samples_at([1, 0, 2], SMALL, FULL)


class TestMaking:
    def test_other_encodings_are_made_again(self, folders: Folders) -> None:
        for encoding in ("raw", "jpeg", "raw"):
            report = make(folders, sizes=[112], encoding=encoding)
            assert (report.made, report.kept) == (13, 0)
            assert make(folders, sizes=[112], encoding=encoding).kept == 13

    def test_a_transaction_takes_so_many_bytes_at_most(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make(folders, sizes=[112], encoding="raw")
        other = Folders(folders.source, folders.target.with_name("other"))
        monkeypatch.setattr(_job, "_MOST_BYTES", 100_000)  # three copies
        counts, update = [], Writer.update

        def count(self: Writer, made: list[Made], removed: list[str]) -> None:
            counts.append(len(made))
            update(self, made, removed)

        monkeypatch.setattr(Writer, "update", count)
        make(other, sizes=[112], encoding="raw")
        assert max(counts) < 13
        assert sum(counts) == 13
        assert exported(other.target) == exported(folders.target)

    def test_of_nearly_full_size(self, folders: Folders) -> None:
        """A JPEG copy saves little there; a raw one saves the decoding."""
        png, raw = both(folders, sizes=[220])
        assert exported(png.target) == {}
        assert len(exported(raw.target)) == 13

    def test_the_disk_is_said_before(
        self, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options: dict[str, Any] = {"sizes": [112], "full": 224, "encoding": "raw"}
        need = estimate_copies(*folders, **options)
        assert (need.images, need.lowered) == (13, 0)
        make(folders, **options)
        size = folders.target.joinpath("data.mdb").stat().st_size
        assert size == pytest.approx(need.bytes, rel=0.15)
        usage = shutil.disk_usage(folders.source)._replace(free=need.bytes - 1)
        monkeypatch.setattr(_job.shutil, "disk_usage", lambda place: usage)
        fresh = Folders(folders.source, folders.target.with_name("fresh"))
        with pytest.raises(ValueError, match=r"fresh: .* or JPEG instead of raw"):
            make(fresh, **options)
        assert not fresh.target.exists()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"encoding": "webp"}, "encoding must be 'jpeg' or 'raw', not 'webp'"),
            ({"encoding": "RAW"}, "encoding must be 'jpeg' or 'raw', not 'RAW'"),
            (
                {"encoding": "raw", "quality": 90},
                "raw copies have no quality: leave out quality=90",
            ),
            ({"full_copy": 223}, "full_copy must be .* 224x224 to 65536, not 223"),
            ({"full_copy": 70_000}, "full_copy must be .* not 70000"),
            ({"full_copy": 0}, "full_copy must be a whole number of at least 1"),
            ({"sizes": None}, "give a plan, or the sizes and the full size"),
        ],
    )
    def test_refused(
        self, folders: Folders, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            make(folders, **options)
        assert not folders.target.exists()


def head(height: int, width: int, colours: int = 3, orientation: int = 1) -> bytes:
    shape = height.to_bytes(4, "little") + width.to_bytes(4, "little")
    return shape + bytes([colours, orientation])


PIXELS = bytes(94 * 125 * 3)


class TestCopiesThatDoNotFit:
    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"", "its pixels are cut short"),
            (head(94, 125)[:-1], "its pixels are cut short"),
            (head(94, 125), "its 0 bytes are not 94x125 pixels of 3"),
            (head(94, 125) + PIXELS[:-1], "its 35249 bytes are not"),
            (head(94, 125) + PIXELS + b"x", "its 35251 bytes are not"),
            (head(2**32 - 1, 2**32 - 1) + PIXELS, "are not 4294967295x4294967295"),
            (head(0, 0), "its 0 bytes are not 0x0 pixels"),
            (head(94, 125, 1) + PIXELS, "of 1 colours"),
            (head(94, 125, 0) + PIXELS, "0 colours"),
            (head(94, 125, 2) + PIXELS[: 94 * 250], "2 colours"),
            (head(94, 125, 3, 0) + PIXELS, "the orientation 0"),
            (head(94, 125, 3, 9) + PIXELS, "the orientation 9"),
            (head(125, 94) + PIXELS, "it has 125x94 pixels, which no copy"),
            (head(1, 94 * 125) + PIXELS, "it has 1x11750 pixels, which no copy"),
        ],
    )
    def test_the_original_is_read_with_a_warning(
        self, folders: Folders, data: bytes, why: str
    ) -> None:
        make(folders, sizes=[112], encoding="raw")
        with opened(folders.target) as store:
            value = pack_copy(Encoding.RAW, Size(188, 250), data)
            store.put(KEY + b"rgb.png", value)
        path, load = folders.source / "rgb.png", CopyLoader(*folders)
        with (
            sample_size(SMALL, FULL),
            pytest.warns(UserWarning, match=f"rgb.png: its small copy.*{why}"),
        ):
            image = load(path)
        assert np.array_equal(np.asarray(image), np.asarray(open_image(path)))

    def test_one_of_another_encoding(self, folders: Folders) -> None:
        path = folders.source / "rgb.png"
        for store, why in zip(
            both(folders, sizes=[112]),
            ("it is RAW among jpeg copies", "it is PNG among raw copies"),
            strict=True,
        ):
            other = folders.target if store.target.name == "raw" else None
            with opened(other or folders.target.with_name("raw")) as transaction:
                value = bytes(transaction.get(KEY + b"rgb.png"))
            with opened(store.target) as transaction:
                kept = bytes(transaction.get(KEY + b"rgb.png"))
                transaction.put(KEY + b"rgb.png", value)
            load = CopyLoader(*store)
            with sample_size(SMALL, FULL), pytest.warns(UserWarning, match=why):
                assert load(path).size == (250, 188)
            load._reader.close()  # type: ignore[union-attr]
            with opened(store.target) as transaction:
                transaction.put(KEY + b"rgb.png", kept)

    def test_no_export(self, folders: Folders) -> None:
        make(folders, sizes=[112], encoding="raw")
        with opened(folders.target) as store:
            copy = unpack_copy(memoryview(bytes(store.get(KEY + b"rgb.png"))))
            data = bytes(copy.data[:-1])
            store.put(KEY + b"rgb.png", pack_copy(Encoding.RAW, copy.original, data))
        with pytest.raises(ValueError, match=r"small: rgb\.png: its \d+ bytes are not"):
            exported(folders.target)


@pytest.mark.parametrize("call", ["begin", "get"])
def test_errors_of_lmdb_are_sentences(folders: Folders, call: str) -> None:
    make(folders, sizes=[112], encoding="raw")
    load = CopyLoader(*folders)
    load(folders.source / "rgb.png")

    class Damaged:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def info(self) -> dict[str, int]:
            return {}

        def begin(self, **_: Any) -> Damaged:
            if call == "begin":
                raise lmdb.BadRslotError("slot")
            return self

        def get(self, key: bytes) -> bytes:
            raise lmdb.CorruptedError(repr(key))

    with sample_size(SMALL, FULL):
        load(folders.source / "rgb.png")
        assert load._reader is not None
        whole, load._reader._lmdb = load._reader._lmdb, Damaged()
        why = "cannot be opened or written" if call == "begin" else "are damaged"
        with pytest.raises(ValueError, match=f"small: these copies {why}"):
            load(folders.source / "rgb.png")
        load._reader._lmdb = whole
        load(folders.source / "rgb.png")


def anonymous() -> int:
    """Memory of this process in kB that is not of a file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def test_memory_does_not_grow_with_the_store(tmp_path: Path) -> None:
    target, original = tmp_path / "small", Size(450, 600)
    settings = CopySettings((SMALL,), FULL, 0.08, None, "raw")
    pixels = pack_pixels(Image.new("RGB", (300, 225), "red"), 1)
    copies = {SMALL: pack_copy(Encoding.RAW, original, pixels)}
    names = [f"{number}.jpg" for number in range(300)]
    with Writer(target) as store:
        store.begin(settings)
        store.update([Made(Found(name, 1, 1), copies, False) for name in names], [])
    size = target.joinpath("data.mdb").stat().st_size
    assert size > 60_000_000
    load = RandomResizedCropDecode(
        224, sharp=False, copies=CopyLoader(tmp_path, target), output="tensor"
    )
    with sample_size(SMALL, FULL):
        load(tmp_path / names[0])
        before = anonymous()
        for name in names:
            assert load(tmp_path / name)[0].min() == 255
    assert 1024 * (anonymous() - before) < size / 5


def test_forked_processes_share_the_store(folders: Folders) -> None:
    make(folders, sizes=[112], encoding="raw")
    load = RandomResizedCropDecode(
        224, sharp=False, copies=CopyLoader(*folders), output="tensor"
    )
    path = folders.source / "rgb.png"

    def mean() -> float:
        torch.manual_seed(5)
        with sample_size(SMALL, FULL):
            return load(path).float().mean().item()

    want = mean()
    child = os.fork()
    if child == 0:  # pragma: no cover - in the forked process
        code = 1
        try:
            code = 0 if mean() == want else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert mean() == want


def test_pixels_of_a_turned_image_are_copied() -> None:
    image = Image.new("RGB", (4, 3), "red")
    data = memoryview(pack_pixels(image, 5))
    plain = RawImage(data, read_shape(data))
    turned = RawImage(data, read_shape(data, exif=True))
    assert plain.tensor().shape == (3, 4, 3)
    assert turned.tensor().shape == (4, 3, 3)
    assert plain.margin() == turned.margin() == (0, 0)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("exif", [False, True])
def test_a_part_is_that_of_the_pixels(mode: str, exif: bool) -> None:
    pixels = (np.arange(6 * 7 * 3) * 31 % 251).astype(np.uint8).reshape(6, 7, 3)
    image = Image.fromarray(pixels).convert(mode)
    data = memoryview(pack_pixels(image, 6))
    raw = RawImage(data, read_shape(data, exif=exif))
    part = planes_of(raw.tensor(), (1, 2, 4, 3))
    expected = np.asarray(raw.rgb())[1:5, 2:5].transpose(2, 0, 1)
    assert np.array_equal(part[0].numpy(), expected)
    assert np.array_equal(raw.tensor().numpy(), np.asarray(raw.rgb()))
    assert part.stride(1) == 1  # the order that torch resamples fastest
