"""Inception-v3, "Rethinking the Inception Architecture for Computer Vision" (arXiv:1512.00567), on ImageNet."""
