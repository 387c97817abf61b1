"""Orderings between actions: made from constraints and by the resources themselves, applied until nothing changes."""
