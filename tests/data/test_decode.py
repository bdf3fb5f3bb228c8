import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from inception_jax.data.decode import DecodeError, decode, size


def smooth(height: int = 120, width: int = 180) -> np.ndarray:
    """A smooth picture without symmetry, uint8 [height, width, 3]."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(3 * x + 2 * y), np.cos(5 * y - x), x * y * 2 - 0.5]
    return np.rint(127.5 + 110 * np.stack(waves, -1)).clip(0, 255).astype(np.uint8)


def encode(image: np.ndarray | Image.Image, fmt: str = "JPEG", **options) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, fmt, **options)
    return buffer.getvalue()


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")).astype(int)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


# Pillow's wheels and simplejpeg's both carry libjpeg-turbo, but of any two versions, whose inverse DCT
# and upsampling may round differently: IEEE 1180 allows each one level before the colour conversion.
ROUNDING = 2


@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 95, "subsampling": 0}, {"progressive": True}, {"subsampling": 1}, {"optimize": True}],
)
def test_jpeg_equals_pillow(options):
    data = encode(smooth(), **options)
    assert decode(data).dtype == np.uint8
    assert size(data) == (120, 180)
    assert np.abs(decode(data) - by_pillow(data)).max() <= ROUNDING


def test_real_jpegs_equal_pillow(shared_data):
    files = sorted((shared_data / "imagenet_sample").glob("*/*.JPEG"))[::10]
    assert files
    for file in files:
        data = file.read_bytes()
        assert np.abs(decode(data) - by_pillow(data)).max() <= ROUNDING, file.name


@pytest.mark.parametrize("fmt", ["PNG", "BMP"])
def test_lossless_formats_are_exact(fmt):
    np.testing.assert_array_equal(decode(encode(smooth(), fmt)), smooth())


@given(min_height=st.integers(0, 300), min_width=st.integers(0, 300))
def test_scaled_decoding_covers_what_is_asked(min_height, min_width):
    height, width = 120, 180
    pixels = decode(encode(smooth(height, width)), min_height, min_width)
    assert pixels.shape[0] >= min(min_height, height)
    assert pixels.shape[1] >= min(min_width, width)
    assert pixels.shape[:2] == (height, width) or (pixels.shape[0] >= min_height and pixels.shape[1] >= min_width)
    reference = np.asarray(Image.fromarray(smooth(height, width)).resize(pixels.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(pixels.astype(int) - reference).mean() < 3, "still the same picture"


def test_scaled_decoding_saves_work():
    assert decode(encode(smooth(800, 800)), 100, 100).shape == (100, 100, 3)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation, fmt):
    data = encode(smooth(), fmt, exif=exif(orientation))
    upright = by_pillow(data)
    assert size(data) == upright.shape[:2]
    assert np.abs(decode(data) - upright).max() <= ROUNDING
    height, width = upright.shape[:2]
    if fmt == "JPEG":
        assert decode(data, height // 2, 1).shape == (height // 2, width // 2, 3), "the minimum is of the upright image"


def test_an_orientation_out_of_range_is_ignored():
    np.testing.assert_array_equal(decode(encode(smooth(), "PNG", exif=exif(9))), smooth())


def test_a_damaged_exif_block_is_ignored():
    data = (
        encode(smooth(), exif=exif(6))
        .replace(b"Exif\x00\x00II", b"Exif\x00\x00??")
        .replace(b"Exif\x00\x00MM", b"Exif\x00\x00??")
    )
    assert decode(data).shape == (120, 180, 3)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_grey_is_repeated(fmt):
    grey = smooth()[..., 0]
    pixels = decode(encode(grey, fmt, **({"quality": 100} if fmt == "JPEG" else {})))
    assert pixels.shape == (120, 180, 3)
    np.testing.assert_array_equal(pixels, pixels[..., :1].repeat(3, -1))
    assert np.abs(pixels[..., 0].astype(int) - grey).max() <= (ROUNDING if fmt == "JPEG" else 0)


def test_cmyk_jpeg():
    original = smooth()
    data = encode(Image.fromarray(original).convert("CMYK"), quality=100, subsampling=0)
    assert size(data) == (120, 180)
    # Four channels of quantisation at quality 100, of which two multiply into each of red, green and blue.
    assert np.abs(decode(data).astype(int) - original).max() <= 2 * 3


def test_transparency_is_laid_over_white():
    original = smooth()
    alpha = np.zeros((120, 180, 1), np.uint8)
    alpha[:, 60:120] = 128
    alpha[:, 120:] = 255
    pixels = decode(encode(np.concatenate([original, alpha], -1), "PNG")).astype(int)
    share = alpha / 255
    assert (pixels[:, :60] == 255).all()
    np.testing.assert_array_equal(pixels[:, 120:], original[:, 120:])
    assert np.abs(pixels - (original * share + 255 * (1 - share))).max() <= 1


def test_grey_with_alpha():
    grey, alpha = (Image.fromarray(np.array([row] * 4, np.uint8)) for row in ([40] * 4, [0, 255, 0, 255]))
    pixels = decode(encode(Image.merge("LA", [grey, alpha]), "PNG"))
    np.testing.assert_array_equal(pixels[0, :, 0], [255, 40, 255, 40])


def test_palette():
    image = Image.fromarray(smooth()).quantize(16)
    np.testing.assert_array_equal(decode(encode(image, "PNG")), np.asarray(image.convert("RGB")))
    pixels = decode(encode(image, "PNG", transparency=0))
    hidden = np.asarray(image) == 0
    assert (pixels[hidden] == 255).all()
    np.testing.assert_array_equal(pixels[~hidden], np.asarray(image.convert("RGB"))[~hidden])


def test_sixteen_bits_keep_the_high_byte():
    values = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    np.testing.assert_array_equal(decode(encode(values, "PNG"))[..., 1], values >> 8)


def claiming(height: int, width: int, fmt: str) -> bytes:
    """A small file whose header claims another size."""
    data = bytearray(encode(smooth(), fmt))
    if fmt == "PNG":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    else:
        frame = data.index(b"\xff\xc0") + 5
        data[frame : frame + 4] = struct.pack(">HH", height, width)
    return bytes(data)


# Pillow warns from 89 million pixels on and refuses twice as many.
@pytest.mark.parametrize("side", [8500, 10000, 60000])
@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_a_file_that_claims_too_many_pixels_is_refused(fmt, side):
    for function in (size, decode):
        with pytest.raises(DecodeError, match=r"\d+ (\w )?pixels"):
            function(claiming(side, side, fmt))


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "an empty file"), (b"plain text", "not an image"), (b"\xff\xd8\xff\xe0 text", "damaged")],
)
def test_what_is_no_image(data, message):
    for function in (size, decode):
        with pytest.raises(DecodeError, match=message):
            function(data)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@given(share=st.floats(0, 0.95))
def test_a_truncated_jpeg_is_an_error(options, share):
    data = encode(smooth(), **options)
    with pytest.raises(DecodeError):
        decode(data[: int(share * len(data))])


def test_a_jpeg_cut_short_and_closed_is_an_error():
    data = encode(smooth())
    with pytest.raises(DecodeError, match="premature end"):
        decode(data[: len(data) // 2] + b"\xff\xd9")


@given(share=st.floats(0, 0.95))
def test_a_truncated_png_is_an_error(share):
    data = encode(smooth(), "PNG")
    with pytest.raises(DecodeError):
        decode(data[: int(share * len(data))])


def test_complaints_that_cost_no_pixels_are_tolerated():
    data = encode(smooth())
    stray = data[:-2] + bytes(range(64)) + data[-2:]
    revision = data.replace(b"JFIF\x00\x01", b"JFIF\x00\x09")
    for damaged, complaint in ((stray, "extraneous bytes"), (revision, "unknown JFIF revision")):
        with pytest.raises(ValueError, match=complaint):
            simplejpeg.decode_jpeg(damaged)
        assert np.abs(decode(damaged).astype(int) - decode(data)).max() <= ROUNDING
    np.testing.assert_array_equal(decode(data + b"trailing"), decode(data))


@given(
    kind=st.sampled_from(["JPEG", "CMYK", "PNG", "GIF", "WEBP"]),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    kept=st.floats(0.2, 1),
)
def test_damage_gives_pixels_or_a_decode_error(kind, edits, kept):
    image = Image.fromarray(smooth(24, 40))
    if kind == "CMYK":
        data = encode(image.convert("CMYK"))
    else:
        data = encode(image, kind, **({} if kind == "GIF" else {"exif": exif(6)}))
    damaged = bytearray(data[: int(kept * len(data))])
    for place, value in edits:
        damaged[int(place * len(damaged))] = value
    with contextlib.suppress(DecodeError):
        pixels = decode(bytes(damaged))
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[:2] == size(bytes(damaged))
