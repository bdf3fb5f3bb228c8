"""A batch script for SLURM."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from inception_jax.distributed.launch.training import Training

_RESTARTS = 20


@dataclass(frozen=True)
class Allocation:
    """What is asked of SLURM.

    Attributes:
      nodes: machines.
      gpus: of each, one process each; 0 trains on CPUs, one process a machine.
      time: limit, in SLURM's own form.
      grace: seconds before the limit at which the run is told to save.
      options: further `sbatch` options, such as `--partition=gpu`.
    """

    nodes: int
    gpus: int
    time: str
    grace: int
    options: tuple[str, ...] = ()


def script(training: Training, allocation: Allocation, directory: str) -> str:
    """The batch script: trains in `directory`, and queues itself again unless the run is finished or cannot succeed."""
    # JAX picks each task's GPU by its number on the node, so SLURM must not hide the others from it.
    gpus = [f"--gpus-per-node={allocation.gpus}"] if allocation.gpus else []
    options = [
        f"--job-name={training.name}",
        f"--nodes={allocation.nodes}",
        f"--ntasks-per-node={max(allocation.gpus, 1)}",
        *gpus,
        f"--time={allocation.time}",
        f"--signal=TERM@{allocation.grace}",
        "--requeue",
        "--open-mode=append",
        "--output=%x-%j.log",
        *allocation.options,
    ]
    header = "\n".join(f"#SBATCH {shlex.quote(option)}" for option in options)
    return f"""#!/bin/bash
{header}

cd {shlex.quote(directory)} || exit 2
srun --label --kill-on-bad-exit=1 {shlex.join(training.command)}
code=$?

# 0 finished, 1 diverged or a bug, 2 a mistake, 130 Ctrl-C. After anything else the run continues where it saved.
case $code in
  0 | 1 | 2 | 130) exit "$code" ;;
esac
if [ "${{SLURM_RESTART_COUNT:-0}}" -lt {_RESTARTS} ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""
