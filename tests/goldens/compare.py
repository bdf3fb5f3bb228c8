"""Writing the files of goldens, or comparing them with what the peers compute now."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np


def check_or_write(folder: Path, goldens: Iterable[tuple[str, Mapping[str, np.ndarray]]], *, check: bool) -> int:
    """Writes FOLDER/NAME.npz of every golden, or says how each differs from its file; 1 if one differs."""
    failed = False
    folder.mkdir(exist_ok=True)
    for name, golden in goldens:
        path = folder / f"{name}.npz"
        if check:
            with np.load(path) as kept:
                lines = differences(golden, kept)
            failed |= bool(lines)
            print(f"{path.name}: {'; '.join(lines) or 'as computed now'}", flush=True)
        else:
            np.savez_compressed(path, allow_pickle=False, **golden)
            print(f"{path.name}: {path.stat().st_size} bytes", flush=True)
    return int(failed)


def differences(found: Mapping[str, np.ndarray], kept: Mapping[str, np.ndarray]) -> list[str]:
    """What differs by more than the rounding of one processor from another's."""
    if set(found) != set(kept):
        return [f"holds {sorted(kept)}, now {sorted(found)}"]
    lines = []
    for key, value in found.items():
        if value.dtype.kind != "f":
            lines += [] if np.array_equal(value, kept[key]) else [f"{key} is another"]
        elif not np.allclose(value, kept[key], rtol=0, atol=1e-5 * max(np.ptp(value), 1e-6)):
            lines.append(f"{key} is off by {np.abs(value - kept[key]).max():.3g} in a range of {np.ptp(value):.3g}")
    return lines
