"""How the processes of one job find each other, before any device is touched."""

from __future__ import annotations

import jax

from inception_jax.errors import UserError


class StartError(UserError, RuntimeError):
    """The processes of a job cannot find each other. The message says what is missing."""


def join(coordinator: str | None = None, processes: int | None = None, process_id: int | None = None) -> None:
    """Connects this process with the others of its job; alone, it does nothing.

    Without arguments JAX finds the job in the environment: Open MPI, SLURM, a TPU VM, GKE and other Kubernetes
    (with the package `kubernetes`), or `JAX_COORDINATOR_ADDRESS` with the other two given here.

    Args:
      coordinator: `HOST:PORT` of process 0; the port must be free.
      processes: how many there are.
      process_id: which one this is, from 0.

    Raises:
      StartError: some of the three are given and the environment does not tell the rest, or they contradict.
    """
    given = (coordinator, processes, process_id)
    if jax.distributed.is_initialized():
        return
    # Its handler would take SIGTERM from the moment of connecting; `Job.meet` agrees upon signals and failures alike.
    jax.config.update("jax_enable_preemption_service", False)
    # What is given in full is meant: not the SLURM job in whose allocation somebody works by hand.
    detection = "deactivate" if None not in given else None
    try:
        jax.distributed.initialize(coordinator, processes, process_id, cluster_detection_method=detection)
    except (ValueError, TypeError) as error:
        if given != (None, None, None):
            raise StartError(
                f"--coordinator={coordinator}, --processes={processes}, --process-id={process_id}: {error} "
                "Give all three, with process ids from 0 to processes - 1"
            ) from error
        if "should be defined" not in str(error):
            raise  # a cluster that JAX found and did not understand
    except RuntimeError as error:
        if given != (None, None, None) or "must be called before" not in str(error):
            raise
        # The program around this has used its devices already, so it is alone.
