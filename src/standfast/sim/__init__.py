"""A world in one thread: virtual clock, network, disk and faults, seeded. It drives the production machines, unchanged.

Owns: time, chance and every wire. Does not own: any behaviour of a node. Never imports runtime/, and runtime never imports it.
"""
