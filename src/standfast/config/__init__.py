"""corosync.conf, authkey and our own settings: text <-> typed values, every old key known by name. No IO.

Owns: what a configuration file means and what is wrong with it. Does not own: reading files (runtime/), applying values.
"""
