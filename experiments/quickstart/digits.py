"""A narrow GoogLeNet on handwritten digits: the first run, with no download.

scikit-learn ships 1,797 digits of 8x8 pixels, of which every fifth is held out for the test. They are
enlarged to 32x32; a stem without stride and with one pool of its two leaves maps of 16, 8 and 4 pixels
to the three Inception stages. Everything else is the paper's network (table 1) at a quarter of its width.

Expected: at least 98 % test top-1 in under three minutes on two CPU cores.

    inception-jax train --config=experiments/quickstart/digits.py --workdir=runs/digits
"""

from experiments import base


def get_config():
    config = base.get_config()
    config.model.update(name="googlenet", width=0.25, options={"stem_stride": 2, "stem_pools": 0})
    config.data.update(source="digits", train_split="train", eval_split="test", image_size=32)
    config.data.update(crop="shift", shift=0.1, flip=False, eval_crop=1.0)
    config.batch_size = 64
    config.epochs = 20.0
    config.optimizer.update(name="momentum", learning_rate=0.02, momentum=0.9, weight_decay=2e-4)
    config.schedule.update(name="cosine", warmup_epochs=2.0)
    config.average.decay = 0.99
    config.evaluation.every_epochs = 5.0
    config.checkpoint.every_epochs = 5.0
    config.log.every_steps = 23
    return config
