"""What it costs that processes wait for each other before every step: `python benchmarks/meeting.py 2 4 8`.

Prints the median and the slowest tenth of `Job.meet` on this machine, where nothing else holds a process up.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np

from inception_jax.distributed.job import Job
from inception_jax.distributed.launch.local import free_port
from inception_jax.distributed.start import join

_MEETINGS = 500


def main(counts: Sequence[str]) -> None:
    """Measures jobs of so many processes each, one after another."""
    for count in map(int, counts):
        port = free_port()
        command = [sys.executable, __file__, "--member", str(port), str(count)]
        members = [subprocess.Popen([*command, str(index)], stderr=subprocess.DEVNULL) for index in range(count)]
        for member in members:
            member.wait()


def member(port: str, count: str, index: str) -> None:
    """One process; the first prints."""
    join(f"127.0.0.1:{port}", int(count), int(index))
    job, times = Job(), []
    for _ in range(_MEETINGS):
        start = time.perf_counter()
        job.meet("the benchmark")
        times.append(1000 * (time.perf_counter() - start))
    if job.first:
        print(f"{count} processes: median {np.median(times):.2f} ms, slowest tenth {np.quantile(times, 0.9):.2f} ms")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--member"]:
        member(*sys.argv[2:])
    else:
        main(sys.argv[1:])
