"""A manifest for TPU node pools of Google Kubernetes Engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from inception_jax.distributed.launch.tpus import Slice
from inception_jax.distributed.launch.training import Training

_RESTARTS_A_HOST = 20
_GRACE = 300


@dataclass(frozen=True)
class Cluster:
    """What the job needs of a cluster.

    Attributes:
      image: a container image with this package installed and the experiments in its working directory.
      claim: a PersistentVolumeClaim that every host may write (ReadWriteMany); empty: none.
      mount: where the claim appears; the run directory and the images lie below it.
    """

    image: str
    claim: str = ""
    mount: str = "/data"


def manifest(training: Training, tpu: Slice, cluster: Cluster) -> str:
    """A headless Service, by which the hosts find each other, and an Indexed Job of one pod a host, as YAML."""
    return yaml.safe_dump_all([_service(training), _job(training, tpu, cluster)], sort_keys=False, width=120)


def _service(training: Training) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": training.name},
        # Hosts look each other up before they are ready.
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"job-name": training.name},
        },
    }


def _job(training: Training, tpu: Slice, cluster: Cluster) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "train",
        "image": cluster.image,
        # Kubernetes replaces $(NAME) in commands; $$ stands for one $.
        "command": [word.replace("$", "$$") for word in training.command],
        "resources": {"limits": {"google.com/tpu": tpu.chips_a_host}},
    }
    pod: dict[str, Any] = {
        "subdomain": training.name,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE,
        "nodeSelector": {
            "cloud.google.com/gke-tpu-accelerator": tpu.gke_accelerator,
            "cloud.google.com/gke-tpu-topology": tpu.topology,
        },
        "containers": [container],
    }
    if cluster.claim:
        container["volumeMounts"] = [{"name": "data", "mountPath": cluster.mount}]
        pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": cluster.claim}}]
    final = {"containerName": "train", "operator": "In", "values": [1, 2]}
    evicted = {"type": "DisruptionTarget", "status": "True"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": training.name},
        "spec": {
            "completionMode": "Indexed",
            "completions": tpu.hosts,
            "parallelism": tpu.hosts,
            "backoffLimit": _RESTARTS_A_HOST * tpu.hosts,
            # A run that diverged or cannot start ends the job; a preempted host does not count against the limit.
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onExitCodes": final},
                    {"action": "Ignore", "onPodConditions": [evicted]},
                ]
            },
            "template": {"spec": pod},
        },
    }
