"""Sweeps of whole comparisons: the rows of a table, each the experiment that it is."""
