"""Synchronous SGD with a ninth worker in reserve: a step ends with the fastest eight gradients (arXiv 1604.00981).

Else as `synchronous.py`: the same number of updates, each of as many images, while a ninth of what is read is dropped.

    inception-jax train --config=experiments/distbelief/backup_workers.py --workdir=runs/backup_workers
"""

from experiments.arguments import experiment
from experiments.distbelief import synchronous
from experiments.sources import BACKUP_WORKERS, OURS, cite

ROWS = {"": ()}


@experiment
def get_config(backups: int = 1):
    """The slowest are dropped."""
    config = synchronous.get_config()
    cite(config, BACKUP_WORKERS("section 3"), parallelism={"backups": backups})
    cite(config, OURS("32 images a worker"), batch_size=32 * (config.parallelism.replicas + backups))
    return config
