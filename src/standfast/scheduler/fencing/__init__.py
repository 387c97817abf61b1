"""Fencing: which nodes, why, and what has to wait for it."""
