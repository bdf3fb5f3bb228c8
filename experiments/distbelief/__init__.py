"""Asynchronous SGD, synchronous SGD and backup workers, with simulated workers of unequal speed."""
