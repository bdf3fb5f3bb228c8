"""GoogLeNet on ILSVRC-2012 (arXiv 1409.4842, table 3): 10.07 % top-5 error, one crop, the best of seven networks.

The paper gives the network, momentum 0.9, a rate that falls by 4 % every 8 epochs, crops of 8 to 100 % of the area,
dropout, the two auxiliary losses and an averaged final model. It gives no batch size, rate, length or weight decay:
those are of the public Caffe solvers. Their own result with their recipe is in `caffe_quick.py`. Asynchronous
DistBelief workers become one synchronous batch; `:batch=1024` scales the rate with the batch. `evaluate
--protocol=10` and `144` give table 3's other rows, 9.15 and 7.89 %.

Not yet run here at full size.

    inception-jax train --config=experiments/googlenet/baseline.py --workdir=runs/googlenet
"""

from experiments import base
from experiments.arguments import experiment
from experiments.sources import CAFFE, GOOGLENET, OURS, SLIM, cite

ROWS = {"": ("G1", "G2", "G3")}


@experiment
def get_config():
    """The paper's recipe where it is stated, Caffe's where it is not."""
    config = base.ilsvrc(224)
    cite(config, GOOGLENET("table 1"), model={"name": "googlenet", "variant": "paper", "dropout": 0.4})
    cite(config, GOOGLENET("section 5"), loss={"aux_weight": 0.3})
    cite(config, GOOGLENET("section 6"), optimizer={"name": "momentum", "momentum": 0.9})
    cite(config, GOOGLENET("section 6"), schedule={"name": "staircase", "decay_factor": 0.96, "decay_epochs": 8.0})
    cite(config, GOOGLENET("section 6, adopted late"), data={"interpolation": "random"})
    cite(config, SLIM("ranges for the distortions that section 6 takes from Howard"), data={"photometric": "full"})
    cite(config, CAFFE("solver"), batch_size=32, optimizer={"learning_rate": 0.01, "weight_decay": 2e-4})
    cite(config, CAFFE("quick_solver"), epochs=60.0)
    cite(config, OURS("section 6 says Polyak averaging, without constants"), average={"decay": 0.9999})
    return config
