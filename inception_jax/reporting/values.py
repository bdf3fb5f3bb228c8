"""Numbers on their way to a file or a screen."""

import math
from typing import Any


def plain(value: Any) -> Any:
    """The JSON-ready form of a cell: scalar arrays become Python numbers, and NaN and infinities None.

    JSON has no NaN, and a reader that meets one stops; null says as well that there is no number here.
    """
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
