"""Inception-v3 as the fourth paper trained it (arXiv 1602.07261, table 2): 21.2 / 5.6 % top-1 / top-5 error, one crop.

20 replicas with RMSProp at the rate of Rethinking, and no clipping in the arXiv text. Batch size and length are not
stated: Rethinking's 32 images a replica and 100 epochs. Single-crop errors of this paper are over 48,238 images; its 12
and 144 crops, 19.8 / 4.6 and 18.9 / 4.3 %, over all 50,000.

    inception-jax train --config=experiments/inception_v4/inception_v3.py --workdir=runs/v4_inception_v3
"""

from experiments.arguments import experiment
from experiments.inception_v3 import baseline
from experiments.sources import INCEPTION_V4, OURS, RETHINKING, cite

ROWS = {"": ("V2", "V7", "V12")}


@experiment
def get_config():
    """Inception-v3 on 20 replicas."""
    config = baseline.get_config()
    paper = INCEPTION_V4("section 4")
    cite(config, paper("20 replicas, of Rethinking's 32 images"), batch_size=640)
    cite(config, paper, optimizer={"name": "rmsprop", "learning_rate": 0.045, "rms_decay": 0.9, "epsilon": 1.0})
    cite(config, paper, schedule={"name": "staircase", "decay_factor": 0.94, "decay_epochs": 2.0})
    cite(config, OURS("the arXiv text has none"), optimizer={"clip_norm": 0.0})
    cite(config, RETHINKING("section 8, as this paper states no length"), epochs=100.0)
    cite(config, RETHINKING("section 7, as in its released code"), loss={"label_smoothing": 0.1})
    return config
