"""Inception-v4 and Inception-ResNet (arXiv:1602.07261) on ImageNet."""
