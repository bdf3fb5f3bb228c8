"""Section `parallelism`: whose gradients make an update, and at which parameters they were computed."""

from __future__ import annotations

from dataclasses import dataclass

from inception_jax.config.errors import ConfigError
from inception_jax.config.fields import choice, number, value


@dataclass(frozen=True)
class Parallelism:
    """Workers of unequal speed, simulated: what they would learn, and how long it would take them.

    `sync` knows no workers: an update follows from the whole batch, and no time is simulated.

    `backup_workers` (arXiv 1604.00981): `replicas` + `backups` workers share the batch of a step, and the mean gradient
    of the fastest `replicas` makes the update. Without backups it is synchronous SGD that waits for the slowest.

    `downpour` (DistBelief, section 4.1): each of `replicas` works on batches and stale parameters of its own; a step is
    one gradient that arrives at the parameter server, which applies it by the rule of `config.optimizer`.
    """

    name: str = choice(
        "sync", ("sync", "backup_workers", "downpour"), "one batch an update, the fastest of several, or asynchronous"
    )
    replicas: int = number(1, 1, 4096, "workers whose gradients count; downpour: model replicas")
    backups: int = number(0, 0, 4096, "backup_workers: so many more, and as many dropped in every step")
    n_push: int = number(1, 1, 4096, "downpour: gradients of a replica that are summed into one push")
    n_fetch: int = number(1, 1, 4096, "downpour: gradients of a replica from one fetch of parameters to the next")
    warm_start_steps: int = number(0, 0, 2**31 - 1, "downpour: first steps, which one replica makes alone")
    times: str = value(
        "equal",
        "how long a gradient takes: `equal` (1), `lognormal:S` (mean 1, S the deviation of its logarithm), "
        "`exponential:S` (1 - S, and S on average more), or recorded times, `0.9,1.0,3.5`, one drawn for each",
    )
    spread: float = number(
        0.0, 0.0, 10.0, "deviation of the logarithm of a worker's own pace, which it keeps for the whole run"
    )

    @property
    def workers(self) -> int:
        """All that compute at a time."""
        return self.replicas + self.backups


_OF_ONE = {
    "backups": ("backup_workers",),
    "n_push": ("downpour",),
    "n_fetch": ("downpour",),
    "warm_start_steps": ("downpour",),
    "replicas": ("backup_workers", "downpour"),
    "times": ("backup_workers", "downpour"),
    "spread": ("backup_workers", "downpour"),
}


def read_times(text: str) -> tuple[str, tuple[float, ...]]:
    """`times` as `equal`, `lognormal`, `exponential` or `recorded`, with its numbers.

    Raises:
      ConfigError: it is none of them.
    """
    kind, colon, shape = text.partition(":")
    try:
        if kind == "equal" and not colon:
            return kind, ()
        if kind == "lognormal" and 0 <= float(shape) <= 10:
            return kind, (float(shape),)
        if kind == "exponential" and 0 <= float(shape) <= 1:
            return kind, (float(shape),)
        recorded = tuple(float(part) for part in text.split(","))
        if all(0 < seconds < 1e6 for seconds in recorded):
            return "recorded", recorded
    except ValueError:
        pass
    raise ConfigError(
        f"config.parallelism.times must be 'equal', 'lognormal:S' with S from 0 to 10, 'exponential:S' with S from 0 "
        f"to 1, or recorded times above 0 and below 1e6 such as '0.9,1.0,3.5', got {text!r}"
    )


def check_parallelism(parallelism: Parallelism, batch: int, micro: int, group: int) -> None:
    """Checks that the fields belong together, and that a worker has whole groups of batch statistics.

    Args:
      parallelism: the section.
      batch: images of a step.
      micro: microbatches of a step.
      group: images that share batch statistics; 0: all.

    Raises:
      ConfigError: naming the field.
    """
    for name, modes in _OF_ONE.items():
        given, default = getattr(parallelism, name), getattr(Parallelism(), name)
        if given != default and parallelism.name not in modes:
            raise ConfigError(
                f"config.parallelism.{name} ({given!r}) is for {' and '.join(modes)}, and config.parallelism.name is "
                f"{parallelism.name!r}"
            )
    read_times(parallelism.times)
    workers = parallelism.workers
    if parallelism.name != "backup_workers" or workers == 1:
        return
    if batch % (workers * micro):
        unit = workers * micro
        raise ConfigError(
            f"config.batch_size ({batch}) must be a multiple of {unit}, so that each of {workers} workers "
            f"(config.parallelism.replicas + backups) has as many images; nearest: {max(batch // unit, 1) * unit}"
        )
    images = batch // workers // micro
    if not group or images % group:
        raise ConfigError(
            f"config.model.bn_group_size ({group}) must divide the {images} images of one worker "
            "(config.batch_size / (config.parallelism.replicas + backups) / config.optimizer.accumulate): batch "
            "statistics do not cross workers"
        )
