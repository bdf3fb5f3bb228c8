"""What the libraries' own transforms make of images for evaluation, kept in tests/goldens/resize.

python -m tests.goldens.make_resize torchvision timm facenet-pytorch cadene    writes the files of these libraries
python -m tests.goldens.make_resize --check slim                               computes again and compares with them

These four are in one environment, TF-slim in another; `make goldens-check` makes both. Of
every image the file keeps a sample of the pixels and, where they are whole numbers, a checksum of all.
"""
# pyright: reportMissingImports=false

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tests import seeded
from tests.goldens.compare import check_or_write

FOLDER = Path(__file__).parent / "resize"
SAMPLE = (Path(__file__).parents[2] / "../shared/data/imagenet_sample").resolve()
# height and width: landscape, portrait, square, one that grows, and sizes whose remainders are odd
MADE = [(375, 500), (500, 333), (401, 401), (97, 131), (343, 347)]
# of the shapes that ImageNet has: landscape, portrait, grey, small, large, narrow
REAL = ["n01484850", "n02091467", "n03697007", "n03584829", "n03843555", "n04238763"]

Transform = Callable[[Image.Image], np.ndarray]
"""An image to what the network reads, float [S, S, 3]."""


def images() -> Iterator[tuple[str, Image.Image]]:
    """Every image by its name in the files."""
    for height, width in MADE:
        yield f"made/{height}x{width}", Image.fromarray(seeded.pixels(height, width))
    for folder in REAL:
        yield f"real/{folder}", Image.open(SAMPLE / folder / f"{folder}_1.JPEG").convert("RGB")


def golden(transform: Transform, mean: np.ndarray, std: np.ndarray) -> dict[str, np.ndarray]:
    """`size`, S; `mean` and `std` on the scale of pixels; and of each image `sample` of its pixels.

    Where they are whole numbers, the sample is uint8, and `crc` is there of all pixels, uint8 [S, S, 3]; else float32.
    """
    found: dict[str, np.ndarray] = {"mean": mean, "std": std}
    for name, image in images():
        pixels = transform(image).astype(np.float64) * std + mean
        found["size"] = np.array(len(pixels))
        if np.abs(pixels - np.rint(pixels)).max() < 1e-3:
            found[f"{name}/sample"], found[f"{name}/crc"] = seeded.sample(np.rint(pixels).astype(np.uint8))
        else:
            found[f"{name}/sample"], _ = seeded.sample(pixels.astype(np.float32))
    return found


def torchvision() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The transforms that torchvision ships with its weights."""
    from torchvision import models

    for name, weights in (("googlenet", models.GoogLeNet_Weights), ("inception_v3", models.Inception_V3_Weights)):
        preset = weights.IMAGENET1K_V1.transforms()
        mean, std = 255 * np.array(preset.mean), 255 * np.array(preset.std)

        def transform(image: Image.Image, preset=preset) -> np.ndarray:
            return preset(image).numpy().transpose(1, 2, 0)

        yield f"torchvision_{name}", golden(transform, mean, std)


def timm() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """The transforms that timm makes from what it says of each set of weights."""
    import timm as library

    for name in (
        "inception_v3.tv_in1k",
        "inception_v3.tf_in1k",
        "inception_v3.gluon_in1k",
        "inception_v4.tf_in1k",
        "inception_resnet_v2.tf_in1k",
    ):
        published = library.get_pretrained_cfg(name)
        assert published
        config = library.data.resolve_data_config({}, pretrained_cfg=published.to_dict())
        made = library.data.create_transform(**config)
        mean, std = 255 * np.array(config["mean"]), 255 * np.array(config["std"])
        yield f"timm_{name}", golden(lambda image, made=made: made(image).numpy().transpose(1, 2, 0), mean, std)


def facenet_pytorch() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """facenet-pytorch's cut of a face, here the whole image, and its standardisation."""
    import facenet_pytorch as library

    def transform(image: Image.Image) -> np.ndarray:
        face = library.extract_face(image, [0, 0, *image.size], image_size=160)
        return library.fixed_image_standardization(face).numpy().transpose(1, 2, 0)

    yield "facenet-pytorch", golden(transform, np.full(3, 127.5), np.full(3, 128.0))


def cadene() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """pretrained-models.pytorch's transform of its BN-Inception, whose colours are blue, green, red."""
    import pretrainedmodels as library
    from pretrainedmodels import utils

    model = library.bninception(pretrained=None)
    settings = library.pretrained_settings["bninception"]["imagenet"]
    for name in ("input_space", "input_size", "input_range", "mean", "std"):
        setattr(model, name, settings[name])
    made = utils.TransformImage(model)

    def transform(image: Image.Image) -> np.ndarray:
        return made(image).numpy()[::-1].transpose(1, 2, 0)

    yield "cadene", golden(transform, np.array(settings["mean"][::-1]), np.array(settings["std"][::-1]))


def slim() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """TF-slim's `inception_preprocessing`, for the two sizes of its networks."""
    import tensorflow.compat.v1 as tf
    from preprocessing import inception_preprocessing

    tf.disable_eager_execution()
    half = np.full(3, 127.5)
    for size in (224, 299):
        with tf.Graph().as_default(), tf.Session() as session:
            pixels = tf.placeholder(tf.uint8, [None, None, 3])
            output = inception_preprocessing.preprocess_image(pixels, size, size, is_training=False)

            def transform(image: Image.Image, session=session, output=output, pixels=pixels) -> np.ndarray:
                return session.run(output, {pixels: np.asarray(image)})

            yield f"slim_{size}", golden(transform, half, half)


LIBRARIES = {"torchvision": torchvision, "timm": timm, "facenet-pytorch": facenet_pytorch}
LIBRARIES |= {"cadene": cadene, "slim": slim}


def main() -> int:
    """Writes or checks the files of some libraries; 1 if one differs."""
    parser = argparse.ArgumentParser(description="Golden evaluation images of the peers.")
    parser.add_argument("libraries", nargs="+", choices=list(LIBRARIES))
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    arguments = parser.parse_args()
    if not SAMPLE.is_dir():
        print(f"{SAMPLE}, with the real images, is absent: nothing is compared", file=sys.stderr)
        return 0 if arguments.check else 2
    goldens = ((name, found) for library in arguments.libraries for name, found in LIBRARIES[library]())
    return check_or_write(FOLDER, goldens, check=arguments.check)


if __name__ == "__main__":
    sys.exit(main())
