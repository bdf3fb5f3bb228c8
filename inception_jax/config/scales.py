"""The sizes to which a test-time protocol resizes an image."""

from __future__ import annotations

from inception_jax.config.errors import ConfigError
from inception_jax.config.schema import Config

_LARGEST_SCALE = 8192  # twice the largest image_size; an image of it takes 200 MB


def view_scales(config: Config) -> tuple[int, ...]:
    """Shorter sides, in pixels, to which `evaluation.protocol` resizes an image: 4 for 144, 1 for 10 and 12, else none.

    Raises:
      ConfigError: `evaluation.scales` names none, too few or too many, or one below the network's input.
    """
    size, evaluation = config.data.image_size, config.evaluation
    wanted = {"single": 0, "10": 1, "12": 1, "144": 4}[evaluation.protocol]
    scales = _named_scales(evaluation.scales, size if wanted else 299)
    if not wanted:
        return ()
    if evaluation.protocol == "144" and evaluation.square == "warp":
        raise ConfigError("config.evaluation.square 'warp' is for protocols 10 and 12; 144 cuts three squares a scale")
    if evaluation.scales in ("ratios", "soeaver"):
        scales = scales[:wanted]
    if len(scales) != wanted:
        raise ConfigError(
            f"config.evaluation.scales must be {wanted} number{'s' * (wanted > 1)} for protocol "
            f"{evaluation.protocol}, got {evaluation.scales!r}"
        )
    if min(scales) < size:
        raise ConfigError(
            f"config.evaluation.scales ({evaluation.scales}): {min(scales)} is below config.data.image_size ({size}); "
            "a view is cut from a square of at least that side"
        )
    return scales


def _named_scales(text: str, size: int) -> tuple[int, ...]:
    if text == "ratios":
        return tuple(round(size * side / 224) for side in (256, 288, 320, 352))
    if text == "soeaver":
        if size != 299:
            raise ConfigError(f"config.evaluation.scales 'soeaver' is for config.data.image_size 299, not {size}")
        return 320, 352, 384, 416
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) <= _LARGEST_SCALE for part in parts):
        raise ConfigError(
            f"config.evaluation.scales must be 'ratios', 'soeaver' or numbers up to {_LARGEST_SCALE} such as "
            f"'256,288,320,352', got {text!r}"
        )
    return tuple(map(int, parts))
