"""Thin commands under their known names: crm_mon, crm_resource, cibadmin, corosync-quorumtool, ...

Owns: each command's options, its texts and its exit codes. Does not own: any decision; what it asks is the API's (protocol.py).
"""
