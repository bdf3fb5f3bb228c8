"""GoogLeNet with its auxiliary classifiers and without (arXiv 1409.4842, section 5).

The paper says that they regularise and strengthen the gradient, and prints no number.

    inception-jax sweep --config=experiments/reproductions/auxiliary.py:mini --seeds=0,1,2 --workdir=runs/auxiliary
    inception-jax report runs/auxiliary --against googlenet-section-5
"""

ROWS = ("baseline", "no_auxiliary")


def sweep():
    """With and without."""
    for row in ROWS:
        yield {"config": f"../googlenet/{row}.py"}
