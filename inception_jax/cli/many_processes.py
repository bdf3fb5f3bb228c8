"""The flags by which the processes of one job find each other."""

from __future__ import annotations

import argparse

from inception_jax.distributed.start import join


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """`--coordinator`, `--processes` and `--process-id`."""
    job = parser.add_argument_group(
        "many processes", "Found without flags on TPU VMs, GKE, SLURM and Open MPI; see `inception-jax launch`."
    )
    job.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0, any free port")
    job.add_argument("--processes", type=int, metavar="N", help="how many processes work together")
    job.add_argument("--process-id", type=int, metavar="I", help="which of them this is, from 0")


def join_job(arguments: argparse.Namespace) -> None:
    """Connects this process with the others that the flags or the environment tell of.

    Raises:
      StartError: see `distributed.start.join`.
    """
    join(arguments.coordinator, arguments.processes, arguments.process_id)
