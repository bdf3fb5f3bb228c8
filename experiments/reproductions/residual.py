"""Residual against non-residual Inception at equal cost (arXiv 1602.07261, table 2).

Inception-ResNet-v1 costs what Inception-v3 does, Inception-ResNet-v2 what Inception-v4 does.

    inception-jax sweep --config=experiments/reproductions/residual.py:mini --seeds=0,1,2 --workdir=runs/residual
    inception-jax report runs/residual --against inception-v4-table-2
"""

ROWS = ("inception_v3", "inception_resnet_v1", "inception_v4", "inception_resnet_v2")


def sweep():
    """Two pairs of equal cost."""
    for row in ROWS:
        yield {"config": f"../inception_v4/{row}.py"}
