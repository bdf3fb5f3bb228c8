"""Commands and job files that start one training on many hosts."""
