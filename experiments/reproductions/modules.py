"""GoogLeNet from modules with reductions and from naive ones (arXiv 1409.4842, figure 2): accuracy and cost.

The paper prints no number for it.

    inception-jax sweep --config=experiments/reproductions/modules.py:mini --seeds=0,1,2 --workdir=runs/modules
    inception-jax report runs/modules --against googlenet-figure-2
"""

ROWS = ("baseline", "naive")


def sweep():
    """Reduced and naive."""
    for row in ROWS:
        yield {"config": f"../googlenet/{row}.py"}
