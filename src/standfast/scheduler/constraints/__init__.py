"""Constraints of the configuration: locations, colocations, orderings, with tags, templates and resource sets."""
