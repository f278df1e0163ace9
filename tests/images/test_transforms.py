import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cytosae_core.errors import ImageError
from cytosae_core.images.transforms import MAX_SIDE, read_rgb, resize_rgb
from tests.pixels import model_input

GRADIENT = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def _read(tmp_path, image, name="cell.png", **options):
    image.save(tmp_path / name, **options)
    result = read_rgb(tmp_path / name)
    assert result.mode == "RGB"
    return np.asarray(result)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cell.png", {}),
        ("cell.bmp", {}),
        ("cell.webp", {"lossless": True}),
        ("cell.TIF", {"format": "TIFF"}),
        ("lzw.tiff", {"compression": "tiff_lzw"}),
        ("deflate.tiff", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_lossless_files_come_back_pixel_by_pixel(tmp_path, name, options):
    assert np.array_equal(_read(tmp_path, Image.fromarray(GRADIENT), name, **options), GRADIENT)


def test_a_file_is_judged_by_its_content_and_not_by_its_suffix(tmp_path):
    Image.fromarray(GRADIENT).save(tmp_path / "cell.jpg", format="PNG")
    assert np.array_equal(np.asarray(read_rgb(tmp_path / "cell.jpg")), GRADIENT)


def test_grey_becomes_three_equal_channels(tmp_path):
    grey = GRADIENT[..., 0]
    assert np.array_equal(_read(tmp_path, Image.fromarray(grey)), np.stack([grey] * 3, axis=-1))


def test_black_and_white_becomes_0_and_255(tmp_path):
    bits = Image.fromarray(GRADIENT[..., 0] > 20)
    assert set(np.unique(_read(tmp_path, bits))) == {0, 255}


def test_a_palette_is_looked_up(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], dtype=np.uint8), mode="P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    assert _read(tmp_path, image).tolist() == [[[10, 20, 30], [200, 100, 50]], [[200, 100, 50], [10, 20, 30]]]


@pytest.mark.parametrize(("alpha", "expected"), [(0, [255, 255, 255]), (255, [200, 100, 0]), (128, [227, 177, 127])])
def test_alpha_is_laid_on_white(tmp_path, alpha, expected):
    pixel = _read(tmp_path, Image.new("RGBA", (2, 2), (200, 100, 0, alpha)))[0, 0]
    assert np.abs(pixel.astype(int) - expected).max() <= 1


def test_grey_with_alpha_and_a_transparent_colour_are_laid_on_white_too(tmp_path):
    assert _read(tmp_path, Image.new("LA", (1, 1), (10, 0)))[0, 0].tolist() == [255] * 3
    assert _read(tmp_path, Image.new("RGB", (1, 1), (9, 9, 9)), transparency=(9, 9, 9))[0, 0].tolist() == [255] * 3
    palette = Image.fromarray(np.array([[0, 1]], dtype=np.uint8), mode="P")
    palette.putpalette([10, 20, 30, 200, 100, 50])
    assert _read(tmp_path, palette, transparency=0)[0].tolist() == [[255] * 3, [200, 100, 50]]


@pytest.mark.parametrize("name", ["cell.png", "cell.tif"])
def test_sixteen_bits_are_scaled_by_the_range_of_the_type(tmp_path, name):
    values = np.array([[0, 255, 256, 2**15, 2**16 - 1]], dtype=np.uint16)
    assert _read(tmp_path, Image.fromarray(values), name)[0, :, 0].tolist() == [0, 0, 1, 128, 255]


@pytest.mark.parametrize("byteorder", ["<u2", ">u2"])
def test_sixteen_bit_colour_tiffs_keep_their_high_bytes(tmp_path, byteorder):
    tifffile = pytest.importorskip("tifffile")
    values = (GRADIENT.astype(np.uint16) * 257).astype(byteorder)
    path = tmp_path / "cell.tif"
    tifffile.imwrite(path, values, photometric="rgb", byteorder=byteorder[0])
    assert np.array_equal(np.asarray(read_rgb(path)), GRADIENT)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_of_unknown_range_are_refused(tmp_path, dtype):
    with pytest.raises(ImageError, match="32-bit pixels whose range is not known; save it with 8 or 16 bits"):
        _read(tmp_path, Image.fromarray(np.ones((2, 2), dtype=dtype)), "cell.tif")


@pytest.mark.parametrize("name", ["cell.tif", "cell.jpg"])
def test_cmyk_is_converted(tmp_path, name):
    pixel = _read(tmp_path, Image.new("CMYK", (8, 8), (0, 255, 255, 0)), name)[4, 4]
    assert np.abs(pixel.astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("name", ["cell.png", "cell.tif", "cell.webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, name, orientation):
    upright = {
        1: GRADIENT,
        2: GRADIENT[:, ::-1],
        3: GRADIENT[::-1, ::-1],
        4: GRADIENT[::-1],
        5: GRADIENT.transpose(1, 0, 2),
        6: np.rot90(GRADIENT, -1),
        7: np.rot90(GRADIENT, 2).transpose(1, 0, 2),
        8: np.rot90(GRADIENT),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if name.endswith("webp") else {}
    assert np.array_equal(_read(tmp_path, Image.fromarray(GRADIENT), name, exif=exif, **options), upright)


def test_the_first_page_of_several_is_read(tmp_path):
    other = Image.new("RGB", (3, 3))
    pages = {"save_all": True, "append_images": [other]}
    assert np.array_equal(_read(tmp_path, Image.fromarray(GRADIENT), "cell.tif", **pages), GRADIENT)


@pytest.mark.parametrize("size", [(20_000, 20_000), (20_000, 1), (1, MAX_SIDE + 1)])
def test_a_side_above_the_limit_is_refused(tmp_path, size):
    path = tmp_path / "slide.png"
    Image.new("1", size).save(path)
    with pytest.raises(ImageError, match=f"no side may exceed {MAX_SIDE} px: cut single cells out of it"):
        read_rgb(path)


def test_a_large_file_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "slide.png"
    Image.new("L", (6_000, 6_000)).save(path)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="6000 x 6000 px"):
        read_rgb(path)


def test_the_largest_side_is_still_read(tmp_path):
    assert _read(tmp_path, Image.new("L", (MAX_SIDE, 2))).shape == (2, MAX_SIDE, 3)


@pytest.mark.parametrize("name", ["cell.png", "cell.jpg", "cell.bmp", "cell.webp", "cell.tif", "lzw.tif"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path, name, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / name
    Image.fromarray(noise).save(path, **({"compression": "tiff_lzw"} if name.startswith("lzw") else {}))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ImageError, match=rf"{name}: (cannot be decoded \(.+\)|not an image of a known format)"):
        read_rgb(path)


def test_empty_missing_and_other_files_are_refused_with_the_remedy(tmp_path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match=r"the file is empty \(0 bytes\); copy it again"):
        read_rgb(tmp_path / "empty.png")
    with pytest.raises(ImageError, match="no such file; check the path"):
        read_rgb(tmp_path / "none.png")
    with pytest.raises(ImageError, match="no such file"):
        read_rgb(tmp_path)
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(ImageError, match=r"not an image of a known format \(BMP, JPEG, PNG, TIFF, WEBP\)"):
        read_rgb(tmp_path / "text.png")


def test_formats_that_run_programs_are_never_tried(tmp_path):
    Image.fromarray(GRADIENT).save(tmp_path / "cell.eps")
    (tmp_path / "cell.eps").rename(tmp_path / "cell.png")
    with pytest.raises(ImageError, match="not an image of a known format"):
        read_rgb(tmp_path / "cell.png")


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"II*\0", b"BM", b"\xff\xd8\xff\xe0"]))
def test_random_bytes_are_refused_and_never_crash(tmp_path_factory, tail, head):
    path = tmp_path_factory.mktemp("bytes") / "cell.png"
    path.write_bytes(head + tail)
    with pytest.raises(ImageError):
        read_rgb(path)


def test_tensors_resized_on_a_device_agree_within_two_grey_levels():
    functional = pytest.importorskip("torchvision.transforms.v2.functional")
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(2).integers(0, 256, (288, 288, 3), dtype=np.uint8)
    tensor = torch.from_numpy(image).permute(2, 0, 1).float()
    resized = functional.resize(tensor, [224, 224], antialias=True).permute(1, 2, 0).numpy()
    assert np.abs(resized - resize_rgb(Image.fromarray(image))).max() <= 2


@pytest.mark.shared_data
def test_a_real_lzw_tiff_and_its_model_input(mll23_example):
    image = read_rgb(next(mll23_example.glob("*.tif")))
    assert image.size == (288, 288)
    assert resize_rgb(image).shape == (224, 224, 3)
    assert np.abs(model_input(image)).max() < 3
