"""Resident bytes of the loader after each epoch, as JSON: `python -m benchmarks.memory FOLDER EPOCHS SIZE`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from inception_jax.config import Config, Data
from inception_jax.data.pipeline import train_iterator
from inception_jax.data.sources import open_source


def resident_bytes() -> int:
    """What the process holds, on Linux."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def after_epochs(folder: str, epochs: int, image_size: int) -> list[int]:
    """Reads all images of a folder `epochs` times."""
    source = open_source(f"folder:{folder}", "all")
    batches = train_iterator(source, Config(batch_size=10, data=Data(image_size=image_size)))
    resident, done = [], 0
    while len(resident) < epochs:
        next(batches)
        done += 10
        if done >= len(source) * (len(resident) + 1):
            resident.append(resident_bytes())
    return resident


if __name__ == "__main__":
    print(json.dumps(after_epochs(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
