"""What every experiment derives from: the schema's defaults, and what the papers' rows have in common."""

from __future__ import annotations

from typing import Any

from experiments.sources import GOOGLENET, OURS, SLIM, cite
from inception_jax.config import defaults as get_config

__all__ = ["get_config", "ilsvrc"]


def ilsvrc(image_size: int) -> Any:
    """ILSVRC-2012 at `image_size` pixels, with the crops that the first paper prescribes and all others refer to."""
    config = get_config()
    cite(
        config,
        GOOGLENET("section 6"),
        data={"crop": "inception", "area": (0.08, 1.0), "aspect": (3 / 4, 4 / 3)},
    )
    cite(config, SLIM("inception_preprocessing.py"), data={"flip": True, "interpolation": "bilinear"})
    cite(config, OURS("the challenge's images"), data={"source": "tfds:imagenet2012", "image_size": image_size})
    cite(config, OURS("half the memory of float32, which parameters keep"), model={"dtype": "bfloat16"})
    cite(config, OURS("none is mentioned"), loss={"label_smoothing": 0.0}, optimizer={"clip_norm": 0.0})
    cite(config, OURS("what is run and looked at"), evaluation={"batch_size": 256}, log={"every_steps": 200})
    return config
