"""A contender for tests, no network behind it; its `network` says how it behaves."""

import os
import sys
import time

from benchmarks.worker import Absent, Task, Work, serve


def build(task: Task) -> Work:
    if task.network == "unknown":
        raise Absent("it has no unknown")
    if task.network == "broken":
        raise RuntimeError("no such layer")
    print("a library that prints")
    os.write(1, b"and one that writes to the descriptor\n")
    bytearray(2**28)
    done = 0

    def step() -> float:
        nonlocal done
        done += 1
        if done > 3:  # two steps of warming up and one of a round have gone well
            if task.network == "dies":
                os.kill(os.getpid(), 9)
            if task.network == "exits":
                print("out of luck", file=sys.stderr)
                os._exit(3)
            if task.network == "diverges":
                return float("nan")
        time.sleep(0.02)
        return 1.0

    return Work(step, 1_000_000, None if task.contender == "eager" else 12.0, {"stand-in": "1.0"})


if __name__ == "__main__":
    serve(build)
