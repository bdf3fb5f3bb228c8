"""Seconds to open a folder of N empty images, at the first start and the second: `python -m benchmarks.listing N`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLASSES = 1000
OPEN = """
import sys, time
from inception_jax.data.sources import open_source
start = time.perf_counter()
images = len(open_source(f"folder:{sys.argv[1]}", "all"))
print(images, time.perf_counter() - start)
"""


def main(count: int) -> dict[str, float]:
    """Makes the files, and opens them in two processes, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "images")
        for number in range(CLASSES):
            directory = base / f"n{number:08d}"
            directory.mkdir(parents=True)
            for image in range(count // CLASSES):
                (directory / f"n{number:08d}_{image}.JPEG").touch()
        past = time.time() - 60
        for path in (base, *base.iterdir()):
            os.utime(path, (past, past))
        environment = os.environ | {"INCEPTION_JAX_CACHE": str(Path(folder, "cache"))}
        answers = [
            subprocess.run(
                [sys.executable, "-c", OPEN, base], env=environment, capture_output=True, text=True, check=True
            )
            for _ in range(2)
        ]
    (images, first), (_, second) = (answer.stdout.split() for answer in answers)
    return {"images": int(images), "first_seconds": float(first), "second_seconds": float(second)}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
