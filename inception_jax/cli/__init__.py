"""The console script `inception-jax`: one small file a command."""
