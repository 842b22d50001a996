"""open_image on real files: what ImageFolder's loader gives, and less where it may."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps
from torchvision.datasets.folder import default_loader

from upsize import loading
from upsize.loading import open_image, sample_size
from upsize.loading._images._decode import largest_reduction
from upsize.loading._images._open import open_file
from upsize.schedule import Size

HALF = Size(112, 112), Size(224, 224)
FULL = Size(224, 224), Size(224, 224)
COPY = "upsize.loading._images._jpeg.simplejpeg"


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """Gradients with noise, of which a JPEG has to keep every block."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x % 256, y % 256, (x + y) % 256], axis=-1)
    noise = rng.integers(-40, 40, pixels.shape)
    return Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))


def equal(a: Image.Image, b: Image.Image) -> bool:
    return a.mode == b.mode and np.array_equal(np.asarray(a), np.asarray(b))


def _deep(path: Path) -> None:
    deep = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    Image.fromarray(deep).save(path)


def _cmyk(path: Path) -> None:
    photograph(64, 48).convert("CMYK").save(path)


def _transparent(path: Path) -> None:
    image = photograph(64, 48).convert("RGBA")
    image.putalpha(100)
    image.save(path)


KINDS: dict[str, Callable[[Path], Any]] = {
    "a.jpg": lambda path: photograph(65, 47).save(path, quality=90),
    "444.jpg": lambda path: photograph(64, 48).save(path, subsampling=0),
    "422.jpg": lambda path: photograph(64, 48).save(path, subsampling=1),
    "progressive.jpg": lambda path: photograph(200, 160).save(path, progressive=True),
    "grey.jpg": lambda path: photograph(64, 48).convert("L").save(path),
    "cmyk.jpg": _cmyk,
    "rgb.jpg": lambda path: photograph(64, 48).save(path, keep_rgb=True),
    "a.png": lambda path: photograph(64, 48).save(path),
    "grey.png": lambda path: photograph(64, 48).convert("L").save(path),
    "palette.png": lambda path: photograph(64, 48).quantize(16).save(path),
    "transparent.png": _transparent,
    "bits.png": lambda path: photograph(64, 48).convert("1").save(path),
    "16.png": _deep,
    "a.webp": lambda path: photograph(64, 48).save(path),
    "a.bmp": lambda path: photograph(64, 48).save(path),
    "png.jpg": lambda path: photograph(64, 48).save(path, format="PNG"),
}


class TestLikeImageFolder:
    @pytest.mark.parametrize("name", KINDS)
    def test_outside_of_sized_and_at_full_size(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / name
        KINDS[name](path)
        expected = default_loader(str(path))
        assert equal(open_image(path), expected)
        with sample_size(*FULL):
            assert equal(open_image(str(path)), expected)
            assert equal(open_image(path, cover=16), expected)

    @pytest.mark.parametrize("name", KINDS)
    def test_at_half_size_only_jpegs_are_reduced(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / name
        KINDS[name](path)
        whole = default_loader(str(path))
        with sample_size(*HALF):
            half = open_image(path)
            monkeypatch.setattr(COPY, None)
            assert equal(open_image(path), half)  # the same pixels without simplejpeg
        if name.endswith(".jpg") and name != "png.jpg":
            assert half.size == (-(-whole.width // 2), -(-whole.height // 2))
            near = whole.resize(half.size, Image.Resampling.BOX)
            difference = np.asarray(near, int) - np.asarray(half, int)
            assert np.abs(difference).mean() < 12
        else:
            assert equal(half, whole)

    def test_a_drop_in_for_pickling_loaders(self, tmp_path: Path) -> None:
        photograph(64, 48).save(tmp_path / "a.jpg")
        load = pickle.loads(pickle.dumps(partial(open_image, cover=256)))
        assert load(tmp_path / "a.jpg").size == (64, 48)


class TestExif:
    @pytest.mark.parametrize("orientation", range(10))
    @pytest.mark.parametrize("sample", [None, FULL, HALF])
    def test_turned_only_when_asked(
        self, orientation: int, sample: Any, tmp_path: Path
    ) -> None:
        path = tmp_path / "a.jpg"
        exif = Image.Exif()
        exif[0x0112] = orientation
        photograph(80, 48).save(path, exif=exif)
        whole = default_loader(str(path))
        if sample is None:
            stored, turned = open_image(path), open_image(path, exif=True)
        else:
            with sample_size(*sample):
                stored, turned = open_image(path), open_image(path, exif=True)
        if sample != HALF:
            assert equal(stored, whole)
        with Image.open(path) as image:
            if sample == HALF:
                image.draft(None, (40, 24))
            assert equal(ImageOps.exif_transpose(image).convert("RGB"), turned)


class TestHowFar:
    @given(
        image=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
        full=st.integers(8, 600),
        data=st.data(),
    )
    def test_never_enlarged_beyond_the_original(
        self, image: tuple[int, int], full: int, data: Any
    ) -> None:
        from upsize.loading._context import SampleSize
        from upsize.loading._images._decode import _reduction

        size = data.draw(st.integers(1, full))
        sample = SampleSize(Size(size, size), Size(full, full))
        n = _reduction(image, sample, None)
        # No less of the original's sides than the sample has of the full size.
        assert n * size <= full
        cover = data.draw(st.integers(1, 700))
        n = _reduction(image, sample, cover)
        need = max(1, (2 * cover * size + full) // (2 * full))
        assert -(-min(image) // n) >= min(need, min(image))

    def test_cover_goes_further_for_large_images(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        photograph(1200, 900).save(path)
        with sample_size(*HALF):
            assert open_image(path).size == (600, 450)
            assert open_image(path, cover=256).size == (300, 225)  # 128 are needed
        with sample_size(Size(156, 156), Size(224, 224)):
            assert open_image(path).size == (1200, 900)
            assert open_image(path, cover=256).size == (300, 225)  # 178 are needed

    def test_two_sides(self) -> None:
        assert largest_reduction((800, 800), (100, 100)) == 8
        assert largest_reduction((800, 799), (100, 100)) == 4
        assert largest_reduction((50, 799), (100, 100)) == 1


class TestRefused:
    @pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
    @pytest.mark.parametrize("keep", [0, 40, 0.5])
    @pytest.mark.parametrize("sample", [FULL, HALF])
    def test_truncated(
        self, name: str, keep: float, sample: Any, tmp_path: Path
    ) -> None:
        path = tmp_path / name
        photograph(200, 160).save(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(keep * len(data)) if keep < 1 else int(keep)])
        with pytest.raises(ValueError, match=rf"{name}: cannot be read.*repair it"):
            open_image(path)
        with sample_size(*sample), pytest.raises(ValueError, match=f"{name}: cannot"):
            open_image(path, exif=True)

    def test_truncated_files_that_the_user_allows(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.jpg"
        photograph(200, 160).save(path)
        path.write_bytes(path.read_bytes()[:-2000])
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        with sample_size(*FULL):
            assert equal(open_image(path), default_loader(str(path)))

    def test_no_image_and_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_text("no image")
        with pytest.raises(
            ValueError,
            match=r"a\.jpg: cannot be read as an image \(its format is not known\): it must",
        ):
            open_image(tmp_path / "a.jpg")
        with pytest.raises(FileNotFoundError, match=r"b\.jpg"):
            open_image(tmp_path / "b.jpg")

    @pytest.mark.parametrize("cover", [0, -1, 0.5, True, "256"])
    def test_cover(self, cover: Any, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="cover must be a whole number"):
            open_image(tmp_path / "a.jpg", cover=cover)


def test_names_of_the_package() -> None:
    for name in loading.__all__:
        assert getattr(loading, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = loading.nothing


def test_what_is_missing() -> None:
    code = (
        "import sys\nsys.modules['simplejpeg'] = None\n"
        "from upsize.loading import open_image\n"
        "import upsize.loading._images._jpeg as files\nassert files.simplejpeg is None\n"
        "for name in [n for n in sys.modules if n.startswith(('PIL', 'upsize'))]:\n"
        "    del sys.modules[name]\n"
        "sys.modules['PIL'] = None\nimport upsize.loading\n"
        "from upsize.loading import open_image"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip().splitlines()[-1] == (
        'ImportError: Image files need an extra: pip install "upsize[jpeg]"'
    )


class TestCasesForPillow:
    def test_a_jpeg_that_is_larger_than_pillow_opens_without_a_warning(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.jpg"
        Image.new("RGB", (40, 30)).save(path)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        with pytest.warns(Image.DecompressionBombWarning), open_file(path) as file:
            assert file.size == (30, 40)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
        with open_file(path) as file:
            assert file.size == (30, 40)

    def test_a_header_that_only_simplejpeg_reads(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.jpg"
        Image.new("RGB", (40, 30)).save(path)

        def fail(*_: Any, **__: Any) -> Any:
            raise SyntaxError("bad header")

        monkeypatch.setattr(Image, "open", fail)
        with open_file(path) as file:
            assert file.size == (30, 40)
            assert file.rgb().size == (40, 30)
            with pytest.raises(ValueError, match=r"a\.jpg: .*bad header"):
                _ = file.grey

    def test_exif_that_cannot_be_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.jpg"
        Image.new("RGB", (40, 30)).save(path)

        def fail(*_: Any) -> Any:
            raise SyntaxError("not a TIFF file")

        monkeypatch.setattr(Image.Image, "getexif", fail)
        with (
            pytest.raises(ValueError, match=r"a\.jpg: .*not a TIFF file"),
            open_file(path, exif=True),
        ):
            pass
