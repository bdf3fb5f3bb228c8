"""Evaluation: every image counted exactly once, on any number of devices and at any batch size."""
