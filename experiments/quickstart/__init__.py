"""Small, narrow networks on small data sets: minutes on a CPU."""
