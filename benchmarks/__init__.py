"""Benchmarks: the same work done by this code, by a plain form of it and by its peers, in one run."""
