"""Accuracy against staleness, and three ways to use eight workers in simulated time: the runs of docs/distbelief.md.

With three seeds, thirty runs.

inception-jax sweep --config=experiments/distbelief/comparison.py --seeds=0,1,2 --workdir=runs/distbelief
python docs/distbelief.py --collect runs/distbelief
"""


def sweep():
    """Numbers of replicas with both rules of the server, then the synchronous rows."""
    for file in ("downpour", "downpour_adagrad"):
        for replicas in (1, 4, 8, 16):
            yield {"config": f"{file}.py", "replicas": replicas}
    for file in ("synchronous", "backup_workers"):
        yield {"config": f"{file}.py"}
