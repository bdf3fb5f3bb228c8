"""Batch norm, rates five and thirty times larger, and a larger rate without it (arXiv 1502.03167, figure 3).

What is compared are the steps to the best accuracy of the network without batch norm.

    inception-jax sweep --config=experiments/reproductions/bn_ladder.py:mini --seeds=0,1,2 --workdir=runs/bn_ladder
    inception-jax report runs/bn_ladder --against bn-figure-3
"""

ROWS = ("inception", "bn_baseline", "bn_x5", "bn_x30", "inception_x5")


def sweep():
    """Rows of figure 3, and the one that the text says diverges."""
    for row in ROWS:
        yield {"config": f"../bn_inception/{row}.py"}
