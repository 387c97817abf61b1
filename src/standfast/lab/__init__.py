"""Hosts, a switch and a client in network namespaces of this machine: what the demo, the bench and the live tests stand on.

Owns: namespaces and their end (each dies with the process that made it), files of a host, faults (cut, freeze, kill), and what
a client sees. Does not own: any part of a node. The daemons never import it. Traffic never leaves the namespaces.
"""
