"""BN-Inception, "Batch Normalization" (arXiv:1502.03167), on ImageNet: figure 3's networks and figure 4's ensemble."""
