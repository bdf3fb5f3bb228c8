"""Training: losses, update rules, the one step function, checkpoints and the loop around them."""
