"""`inception-jax launch`."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from inception_jax.cli.config_flags import add_config_argument, load_config
from inception_jax.distributed.launch import gke, local, slurm, tpu_vm
from inception_jax.distributed.launch.tpus import slice_of
from inception_jax.distributed.launch.training import Training, name_of
from inception_jax.errors import UserError


class LaunchError(UserError):
    """A launch that cannot be made. The message names what is missing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    add_config_argument(parser, "the experiment, as its hosts will find it")
    parser.add_argument("--workdir", required=True, help="the run directory, the same storage for every host")
    parser.add_argument("--on", required=True, choices=list(TARGETS), help="where to run")
    parser.add_argument("--go", action="store_true", help="run it; without this it is only printed")
    parser.add_argument("--name", help="of the job or the machines; default: from the workdir")
    add_target_arguments(parser)


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of the places where a job can run."""
    group = parser.add_argument_group("local")
    group.add_argument("--processes", type=int, default=2, metavar="N", help="how many; default: 2")
    group = parser.add_argument_group("slurm")
    group.add_argument("--nodes", type=int, default=1, metavar="N", help="machines; default: 1")
    group.add_argument("--gpus", type=int, default=8, metavar="N", help="of each machine, 0: CPUs only; default: 8")
    group.add_argument("--time", default="24:00:00", help="limit of the job; default: 24:00:00")
    group.add_argument("--grace", type=int, default=120, metavar="S", help="seconds to save in; default: 120")
    group.add_argument("--sbatch", action="append", default=[], metavar="OPTION", help="such as --sbatch=--account=us")
    group = parser.add_argument_group("tpu-vm and gke")
    group.add_argument("--tpu", default="v5e-64", help="the slice: v4-N, v5e-N, v5p-N or v6e-N; default: v5e-64")
    group = parser.add_argument_group("tpu-vm")
    group.add_argument("--zone", help="of Google Cloud, such as us-west4-a")
    group.add_argument("--spot", action="store_true", help="cheaper, taken away at any time")
    group.add_argument("--setup", default="", metavar="COMMAND", help="run on every host first, such as a mount")
    group = parser.add_argument_group("gke")
    group.add_argument("--image", help="a container image with inception_jax and its experiments")
    group.add_argument("--claim", default="", help="PersistentVolumeClaim (ReadWriteMany) of images and runs")
    group.add_argument("--mount", default="/data", help="where the claim appears; default: /data")


def run(arguments: argparse.Namespace) -> int:
    """Checks the experiment here, where a mistake costs a second, then prints or runs."""
    load_config(arguments.config_flags)
    name = name_of(Path(arguments.name or arguments.workdir))
    training = Training(("train", *arguments.config_flags, f"--workdir={arguments.workdir}"), name)
    if arguments.go:
        return start(arguments, training)
    print(job(arguments, training), end="")
    return 0


def job(arguments: argparse.Namespace, training: Training) -> str:
    """The file or the commands that start a training where `arguments` say.

    Raises:
      UserError: a flag that the place needs is missing or wrong.
    """
    return TARGETS[arguments.on](arguments, training)


def start(arguments: argparse.Namespace, training: Training) -> int:
    """Starts it; returns the exit code of the program that does.

    Raises:
      UserError: see `job`, or that program is not installed.
    """
    text = job(arguments, training)
    match arguments.on:
        case "local":
            return local.run(training, arguments.processes, sys.stderr)
        case "slurm":
            return _call(["sbatch"], text)
        case "gke":
            return _call(["kubectl", "apply", "--filename=-"], text)
    for command in text.splitlines():
        print(command, flush=True)
        if code := _call(["bash", "-c", command]):
            print(f"inception-jax {arguments.command}: this command failed with code {code}", file=sys.stderr)
            return 1
    return 0


def _local(arguments: argparse.Namespace, training: Training) -> str:
    if arguments.processes < 1:
        raise LaunchError(f"--processes must be at least 1, not {arguments.processes}")
    return local.script(training, arguments.processes, local.free_port())


def _slurm(arguments: argparse.Namespace, training: Training) -> str:
    allocation = slurm.Allocation(
        arguments.nodes, arguments.gpus, arguments.time, arguments.grace, tuple(arguments.sbatch)
    )
    return slurm.script(training, allocation, os.getcwd())


def _gke(arguments: argparse.Namespace, training: Training) -> str:
    if not arguments.image:
        raise LaunchError("--on=gke needs --image, a container image with inception_jax and its experiments")
    return gke.manifest(
        training, slice_of(arguments.tpu), gke.Cluster(arguments.image, arguments.claim, arguments.mount)
    )


def _tpu_vm(arguments: argparse.Namespace, training: Training) -> str:
    if not arguments.zone:
        raise LaunchError("--on=tpu-vm needs --zone, such as us-west4-a")
    site = tpu_vm.Site(arguments.zone, arguments.spot, arguments.setup)
    return "\n".join(tpu_vm.commands(training, slice_of(arguments.tpu), site)) + "\n"


def _call(command: list[str], text: str | None = None) -> int:
    try:
        return subprocess.run(command, input=text, text=True, check=False).returncode
    except FileNotFoundError:
        raise LaunchError(f"{command[0]} is not installed here; run this where it is: {shlex.join(command)}") from None


TARGETS: dict[str, Callable[[argparse.Namespace, Training], str]] = {
    "local": _local,
    "slurm": _slurm,
    "gke": _gke,
    "tpu-vm": _tpu_vm,
}
