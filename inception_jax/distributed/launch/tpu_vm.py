"""Commands for TPU virtual machines of Google Cloud, in the order in which they are run."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from inception_jax.distributed.launch.tpus import Slice
from inception_jax.distributed.launch.training import Training

_HOME = "inception_jax"


@dataclass(frozen=True)
class Site:
    """Where the slice is.

    Attributes:
      zone: of Google Cloud.
      spot: cheaper, and taken away at any time.
      setup: a shell command that every host runs before it trains, to mount shared storage say; empty: none.
    """

    zone: str
    spot: bool = False
    setup: str = ""


def commands(training: Training, tpu: Slice, site: Site) -> list[str]:
    """Shell commands for a checkout: make the slice unless it exists, copy the commit there, install it and train."""
    archive = f"{training.name}.tgz"
    tpus = "gcloud compute tpus tpu-vm"
    here = shlex.join([training.name, f"--zone={site.zone}"])
    create = shlex.join([f"--accelerator-type={tpu.accelerator_type}", f"--version={tpu.runtime}"])
    if site.spot:
        create += " --spot"

    def everywhere(command: str) -> str:
        return f"{tpus} ssh {here} --worker=all --command={shlex.quote(command)}"

    install = (
        f"mkdir -p ~/{_HOME} && tar -xzf ~/{_HOME}.tgz -C ~/{_HOME} && cd ~/{_HOME} && "
        # The machines' own Python may be older than this package takes.
        "python3 -m pip install --quiet --user uv && "
        "python3 -m uv venv --quiet --allow-existing --python 3.12 .venv && "
        "python3 -m uv pip install --quiet --constraints constraints.txt --editable . 'jax[tpu]'"
    )
    steps = [
        f"git archive --format=tar.gz --output={archive} HEAD",
        f"{tpus} describe {here} >/dev/null 2>&1 || {tpus} create {here} {create}",
        f"{tpus} scp {archive} {training.name}:{_HOME}.tgz --zone={shlex.quote(site.zone)} --worker=all",
        everywhere(install),
    ]
    if site.setup:
        steps.append(everywhere(site.setup))
    return [*steps, everywhere(_in_background(training))]


def _in_background(training: Training) -> str:
    """Trains on without the connection, and again after whatever a new start can mend."""
    train = shlex.join([".venv/bin/inception-jax", *training.arguments])
    loop = f"until {train}; do code=$?; case $code in 1|2|130) exit $code;; esac; sleep 10; done"
    return f"cd ~/{_HOME} && nohup setsid bash -c {shlex.quote(loop)} >~/train.log 2>&1 </dev/null &"
