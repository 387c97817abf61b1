"""Where resources go: scores, the criteria that move them, and the choice of a node."""
