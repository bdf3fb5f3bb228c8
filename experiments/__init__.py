"""Experiments: one file is one row of one paper's table, or a quickstart."""
