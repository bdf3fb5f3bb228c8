"""The papers' test-time views one by one, in plain NumPy: what the fast code is compared with."""

import numpy as np


def bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes uint8 [H, W, 3] in float64: pixel centres at one half, edges repeated, no antialiasing, rounded."""

    def along(values, size):
        old = values.shape[0]
        place = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, old - 1)
        share = (place - low)[:, None, None]
        return values[low] * (1 - share) + values[high] * share

    rows = along(image.astype(np.float64), height)
    columns = along(rows.transpose(1, 0, 2), width)
    return np.rint(columns.transpose(1, 0, 2)).astype(np.uint8)


def squares(image: np.ndarray, scale: int, positions: tuple[str, ...]) -> list[np.ndarray]:
    """Squares of side `scale` from the image whose shorter side has been resized to it."""
    height, width = image.shape[:2]
    if height <= width:
        resized = bilinear(image, scale, round(width * scale / height))
    else:
        resized = bilinear(image, round(height * scale / width), scale)
    spare = max(resized.shape[:2]) - scale
    starts = {"first": 0, "centre": spare // 2, "last": spare}
    found = []
    for position in positions:
        start = starts[position]
        if height <= width:
            found.append(resized[:, start : start + scale])
        else:
            found.append(resized[start : start + scale, :])
    return found


def views_of_square(square: np.ndarray, size: int, whole: bool) -> list[np.ndarray]:
    """Top left, top right, bottom left, bottom right, centre, the whole one; then the mirror of each, in that order."""
    side = len(square)
    middle = (side - size) // 2
    views = [
        square[:size, :size],
        square[:size, side - size :],
        square[side - size :, :size],
        square[side - size :, side - size :],
        square[middle : middle + size, middle : middle + size],
    ]
    if whole:
        views.append(bilinear(square, size, size))
    return views + [np.fliplr(view) for view in views]


def views(image: np.ndarray, protocol: str, size: int, scales: tuple[int, ...]) -> np.ndarray:
    """Every view of an image, uint8 [V, size, size, 3], scale by scale, square by square."""
    positions = ("first", "centre", "last") if protocol == "144" else ("centre",)
    return np.stack(
        [
            view
            for scale in scales
            for square in squares(image, scale, positions)
            for view in views_of_square(square, size, whole=protocol != "10")
        ]
    )
