"""Where the values of the papers' rows come from; each takes the section or table: `RETHINKING("section 8")`.

What a paper does not state is taken from public code of the same network, and else is our choice with its reason.
"""

from inception_jax.config.sources import Source, cite

__all__ = [
    "BACKUP_WORKERS",
    "BATCH_NORM",
    "CAFFE",
    "CAFFE_BN",
    "DISTBELIEF",
    "GOOGLENET",
    "INCEPTION_V4",
    "OURS",
    "RETHINKING",
    "SLIM",
    "TF_MODELS",
    "TPU",
    "cite",
]

GOOGLENET = Source("paper", "arXiv 1409.4842")
BATCH_NORM = Source("paper", "arXiv 1502.03167")
RETHINKING = Source("paper", "arXiv 1512.00567")
DISTBELIEF = Source("paper", "Dean et al. 2012, Large Scale Distributed Deep Networks")
BACKUP_WORKERS = Source("paper", "arXiv 1604.00981")
INCEPTION_V4 = Source("paper", "arXiv 1602.07261")
CAFFE = Source("public code", "BVLC Caffe models/bvlc_googlenet")
CAFFE_BN = Source("public code", "lim0606/caffe-googlenet-bn")
TF_MODELS = Source("public code", "tensorflow/models inception")
SLIM = Source("public code", "tensorflow/models slim")
TPU = Source("public code", "tensorflow/tpu models/experimental/inception")
OURS = Source("our choice", "")
