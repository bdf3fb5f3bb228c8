"""Draws docs/images/crops.png, what training sees of one photograph: `python docs/crops_picture.py`."""

from pathlib import Path

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from inception_jax.config import Data
from inception_jax.data.photometric import augment
from inception_jax.data.training_crop import training_image

COLUMNS = 8
ROWS = {
    "crop=inception": {"crop": "inception"},
    "crop=slim": {"crop": "slim", "area": (0.05, 1.0), "aspect": (0.75, 1.33)},
    "photometric=fast": {"crop": "none", "photometric": "fast"},
    "photometric=full": {"crop": "none", "photometric": "full"},
}


def images(options: dict) -> np.ndarray:
    """float32 [COLUMNS, 149, 149, 3] in [0, 1]: the photograph as training sees it in as many epochs."""
    data = Data(image_size=149, **options)
    photograph = load_sample_image("china.jpg")
    cut = np.stack([training_image(photograph, data, np.random.default_rng(seed)) for seed in range(COLUMNS)])
    seeds = jnp.arange(COLUMNS, dtype=jnp.uint32)
    seen = augment(jnp.asarray(cut), seeds, flip=data.flip, distortion=data.photometric, mean=data.mean, std=data.std)
    return (np.asarray(seen) + 1) / 2


def main() -> None:
    """Writes the picture."""
    figure, axes = plt.subplots(len(ROWS), COLUMNS, figsize=(COLUMNS * 1.2, len(ROWS) * 1.35), layout="constrained")
    for row, (title, options) in zip(axes, ROWS.items(), strict=True):
        row[0].set_title(f"config.data.{title}", loc="left", fontsize=9)
        for axis, image in zip(row, images(options), strict=True):
            axis.imshow(image)
            axis.axis("off")
    path = Path(__file__).parent / "images" / "crops.png"
    figure.savefig(path, dpi=100)
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
