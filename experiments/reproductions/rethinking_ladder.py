"""The cumulative ladder of Inception-v2 (arXiv 1512.00567, table 3).

Each row keeps the changes of those before it.

    inception-jax sweep --config=experiments/reproductions/rethinking_ladder.py:mini --seeds=0,1,2 --workdir=runs/ladder
    inception-jax report runs/ladder --against rethinking-table-3
"""

ROWS = ("inception_v2", "rmsprop", "label_smoothing", "factorized_7x7", "bn_auxiliary")


def sweep():
    """The rows in the order of the table."""
    for row in ROWS:
        yield {"config": f"../inception_v3/{row}.py"}
