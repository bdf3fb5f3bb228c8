"""The JPEG libraries that were tried: each reads a random crop of a file and resizes it, on threads or in processes.

`Task.network` is `LIBRARY/threads` or `LIBRARY/processes`. Needs NumPy and what the library itself needs.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import ctypes
import ctypes.util
import io
import itertools
import math
import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.worker import Absent, Task, Work, serve

Crop = tuple[int, int, int, int]
Decoder = Callable[[bytes, np.random.Generator, int], np.ndarray]
"""(file, random numbers, side) to uint8 [side, side, 3]."""


def draw(height: int, width: int, rng: np.random.Generator) -> Crop:
    """(top, left, height, width) of 8 to 100 % of an image, with an aspect of 3/4 to 4/3; at last all of it."""
    for _ in range(10):
        area = rng.uniform(0.08, 1.0) * height * width
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            return int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1)), tall, wide
    return 0, 0, height, width


def _cv2() -> Any:
    import cv2

    cv2.setNumThreads(0)
    return cv2


def _cut_and_resize(cv2: Any, pixels: np.ndarray, rng: np.random.Generator, side: int) -> np.ndarray:
    top, left, tall, wide = draw(pixels.shape[0], pixels.shape[1], rng)
    return cv2.resize(pixels[top : top + tall, left : left + wide], (side, side))


def _simplejpeg() -> tuple[Decoder, dict[str, str]]:
    """Whole image at full size."""
    import simplejpeg

    cv2 = _cv2()
    return (
        lambda data, rng, side: _cut_and_resize(cv2, simplejpeg.decode_jpeg(data), rng, side),
        {"simplejpeg": simplejpeg.__version__, "opencv": cv2.__version__},
    )


def _simplejpeg_eighths() -> tuple[Decoder, dict[str, str]]:
    """Whole image at the smallest n/8 of its size at which the crop covers the target."""
    import simplejpeg

    cv2 = _cv2()

    def decode(data: bytes, rng: np.random.Generator, side: int) -> np.ndarray:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        top, left, tall, wide = draw(height, width, rng)
        least = math.ceil(height * side / tall), math.ceil(width * side / wide)
        pixels = simplejpeg.decode_jpeg(data, min_height=least[0], min_width=least[1])
        scale = pixels.shape[0] / height, pixels.shape[1] / width
        rows = slice(round(top * scale[0]), round((top + tall) * scale[0]))
        columns = slice(round(left * scale[1]), round((left + wide) * scale[1]))
        return cv2.resize(pixels[rows, columns], (side, side))

    return decode, {"simplejpeg": simplejpeg.__version__, "opencv": cv2.__version__}


def _ours() -> tuple[Decoder, dict[str, str]]:
    """Down to the crop's last row, at 1, 1/2, 1/4 or 1/8 of its size: simplejpeg, and a header that claims less."""
    import simplejpeg

    from inception_jax.config import Data
    from inception_jax.data.training_crop import training_image

    def decode(data: bytes, rng: np.random.Generator, side: int) -> np.ndarray:
        return training_image(data, Data(image_size=side), rng)

    return decode, {"simplejpeg": simplejpeg.__version__, "opencv": _cv2().__version__}


def _opencv() -> tuple[Decoder, dict[str, str]]:
    """Whole image at 1, 1/2, 1/4 or 1/8 of its size, by `IMREAD_REDUCED_COLOR`."""
    import simplejpeg

    cv2 = _cv2()
    reduced = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}

    def decode(data: bytes, rng: np.random.Generator, side: int) -> np.ndarray:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        top, left, tall, wide = draw(height, width, rng)
        shrink = next((n for n in reduced if min(tall, wide) >= n * side), 1)
        flags = reduced.get(shrink, cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        rows = slice(top // shrink, (top + tall) // shrink)
        columns = slice(left // shrink, (left + wide) // shrink)
        return cv2.cvtColor(cv2.resize(pixels[rows, columns], (side, side)), cv2.COLOR_BGR2RGB)

    return decode, {"opencv": cv2.__version__}


def _pillow() -> tuple[Decoder, dict[str, str]]:
    """Draft mode (1, 1/2, 1/4 or 1/8 of its size), then crop and resize in one."""
    import PIL
    from PIL import Image

    def decode(data: bytes, rng: np.random.Generator, side: int) -> np.ndarray:
        image = Image.open(io.BytesIO(data))
        width, height = image.size
        top, left, tall, wide = draw(height, width, rng)
        image.draft("RGB", (width * side // wide, height * side // tall))
        scale = image.size[0] / width
        box = (left * scale, top * scale, min((left + wide) * scale, image.size[0]), (top + tall) * scale)
        box = (*box[:3], min(box[3], image.size[1]))
        return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR, box))

    return decode, {"Pillow": PIL.__version__}


def _torchvision() -> tuple[Decoder, dict[str, str]]:
    """Whole image at full size, by torchvision.io, then its resize without antialiasing."""
    import torch
    import torchvision
    from torchvision.transforms.v2 import functional

    torch.set_num_threads(1)
    rgb = torchvision.io.ImageReadMode.RGB

    def decode(data: bytes, rng: np.random.Generator, side: int) -> np.ndarray:
        pixels = torchvision.io.decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=rgb)
        crop = draw(pixels.shape[1], pixels.shape[2], rng)
        return functional.resized_crop(pixels, *crop, [side, side], antialias=False).permute(1, 2, 0).numpy()

    return decode, {"torch": torch.__version__, "torchvision": torchvision.__version__}


def _imagecodecs() -> tuple[Decoder, dict[str, str]]:
    """Whole image at full size."""
    import imagecodecs

    cv2 = _cv2()

    def decode(data: bytes, rng: np.random.Generator, side: int) -> np.ndarray:
        pixels = imagecodecs.jpeg8_decode(data)
        if pixels.ndim == 2:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        return _cut_and_resize(cv2, pixels, rng, side)

    return decode, {"imagecodecs": imagecodecs.__version__, "opencv": cv2.__version__}


class _Region(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("x", "y", "w", "h")]


def _libturbojpeg() -> tuple[Decoder, dict[str, str]]:
    """The MCUs of the crop alone, by `tj3SetCroppingRegion` of the system's libturbojpeg 3 (PyTurboJPEG's library)."""
    cv2 = _cv2()
    try:
        library = ctypes.CDLL("libturbojpeg.so.0")
        library.tj3Init.restype = ctypes.c_void_p
    except (OSError, AttributeError) as error:
        raise Absent("this system has no libturbojpeg.so.0 of libjpeg-turbo 3") from error
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.tj3DecompressHeader.argtypes = [pointer, ctypes.c_char_p, size]
    library.tj3Get.argtypes = [pointer, ctypes.c_int]
    library.tj3SetCroppingRegion.argtypes = [pointer, _Region]
    library.tj3Decompress8.argtypes = [pointer, ctypes.c_char_p, size, pointer, ctypes.c_int, ctypes.c_int]
    own, mcu_width = threading.local(), {0: 8, 1: 16, 2: 16, 3: 8, 4: 8, 5: 32, 6: 8}

    def decode(data: bytes, rng: np.random.Generator, side: int) -> np.ndarray:
        if not hasattr(own, "handle"):
            own.handle = library.tj3Init(1)
        library.tj3SetCroppingRegion(own.handle, _Region(0, 0, 0, 0))
        library.tj3DecompressHeader(own.handle, data, len(data))
        subsampling, width, height = (library.tj3Get(own.handle, which) for which in (4, 5, 6))
        top, left, tall, wide = draw(height, width, rng)
        unit = mcu_width[subsampling]
        start = max(0, left // unit - 1) * unit
        region = _Region(start, top, min(width, left + wide + unit) - start, tall)
        pixels = np.empty((region.h, region.w, 3), np.uint8)
        library.tj3SetCroppingRegion(own.handle, region)
        library.tj3Decompress8(own.handle, data, len(data), pixels.ctypes.data, 0, 0)
        return cv2.resize(pixels[:, left - start : left - start + wide], (side, side))

    return decode, {"opencv": cv2.__version__}


LIBRARIES: dict[str, Callable[[], tuple[Decoder, dict[str, str]]]] = {
    "ours": _ours,
    "simplejpeg": _simplejpeg,
    "simplejpeg n/8": _simplejpeg_eighths,
    "opencv": _opencv,
    "pillow": _pillow,
    "torchvision.io": _torchvision,
    "imagecodecs": _imagecodecs,
    "libturbojpeg 3": _libturbojpeg,
}

_decode: Decoder
_slots: np.ndarray


def _begin(library: str, buffer: Any, shape: tuple[int, ...]) -> None:
    """Prepares a process: its decoder, and the batch that all processes fill."""
    global _decode, _slots
    _decode, _slots = LIBRARIES[library]()[0], np.frombuffer(buffer, np.uint8).reshape(shape)


def _fill(job: tuple[int, str, int]) -> None:
    slot, path, seed = job
    _slots[slot] = _decode(Path(path).read_bytes(), np.random.default_rng(seed), _slots.shape[1])


def build(task: Task) -> Work:
    """A pool whose workers write crops into one batch, in memory that they share."""
    library, _, way = task.network.rpartition("/")
    versions = LIBRARIES[library]()[1]
    shape = (task.batch, task.image_size, task.image_size, 3)
    files = itertools.cycle(sorted(str(path) for path in Path(task.images).rglob("*.JPEG")))
    seeds = itertools.count()
    if way == "processes":
        buffer = multiprocessing.RawArray("B", math.prod(shape))
        context = multiprocessing.get_context("spawn")
        run: Any = context.Pool(task.workers, _begin, (library, buffer, shape)).map
    else:
        buffer = bytearray(math.prod(shape))
        _begin(library, buffer, shape)
        run = lambda function, jobs: list(pool.map(function, jobs))  # noqa: E731
        pool = ThreadPoolExecutor(task.workers)
    batch = np.frombuffer(buffer, np.uint8).reshape(shape)

    def step() -> float:
        run(_fill, [(slot, next(files), next(seeds)) for slot in range(task.batch)])
        return float(batch[:, ::16, ::16].mean())

    return Work(step, 0, None, versions)


if __name__ == "__main__":
    serve(build)
