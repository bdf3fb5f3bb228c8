"""GoogLeNet on ILSVRC-2012 (arXiv 1409.4842; tables 1 and 3): 10.07 % top-5 error, one crop, best of seven.

The paper gives the network, momentum 0.9, a learning rate that falls by 4 % every 8 epochs, crops of 8 to
100 % of the area with aspect 3/4 to 4/3, dropout, the two auxiliary losses at weight 0.3 and an averaged
final model. It gives no batch size, initial rate, length or weight decay: those are here from the public
Caffe solver (batch 32, 0.01, 2e-4), with 60 epochs, as its quick variant has. Caffe's own result with its
recipe is 31.3 / 11.1 % top-1 / top-5 error on a centre crop. The averaging constant is ours.

Asynchronous DistBelief workers become one synchronous batch. Not yet run here at full size.

    inception-jax train --config=experiments/googlenet/baseline.py --workdir=runs/googlenet
"""

from experiments import base


def get_config():
    """The paper's recipe where it is stated, Caffe's where it is not."""
    config = base.get_config()
    config.model.update(name="googlenet", variant="paper", dtype="bfloat16")
    config.data.update(source="tfds:imagenet2012", image_size=224)
    config.data.update(area=(0.08, 1.0), aspect=(3 / 4, 4 / 3), interpolation="random", photometric="full")
    config.batch_size = 32
    config.epochs = 60.0
    config.loss.aux_weight = 0.3
    config.optimizer.update(name="momentum", learning_rate=0.01, momentum=0.9, weight_decay=2e-4)
    config.schedule.update(name="staircase", decay_factor=0.96, decay_epochs=8.0)
    config.average.decay = 0.9999
    config.evaluation.batch_size = 256
    config.log.every_steps = 200
    return config
