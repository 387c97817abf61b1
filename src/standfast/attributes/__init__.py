"""Transient node attributes and their dampening: one owner per fact, ordered like every other change of the CIB."""
