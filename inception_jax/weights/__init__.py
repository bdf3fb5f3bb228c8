"""Weights of public code as variables of our networks: one name table for each network of each source."""
