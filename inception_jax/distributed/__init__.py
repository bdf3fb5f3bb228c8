"""Devices: the mesh that a run spans and how arrays lie on it."""
