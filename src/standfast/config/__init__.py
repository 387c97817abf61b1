"""corosync.conf, authkey and our own settings: text <-> typed values, every old key known by name. No IO.

Owns: what a configuration file means and what is wrong with it. Does not own: reading files (runtime/), applying values.

The face of the room, pure; mistakes raise Refused (exit code 78) with every error of the file, each at FILE:LINE:COLUMN:

    parse.parse_config(data, file, resolve=None) -> model.ClusterConfig       `.notices` are to be logged once
    nodes.local_node(config, host_addresses, uname) -> model.NodeConfig
    edit.write_config(config) -> str            parse_config(write_config(c)) == c
    edit.set_value(text, path, value) -> str    changes one key and keeps comments, order and unknown keys
    authkey.check_authkey(data, mode, owner, reader, file) -> bytes       unreadable_authkey(file, reason, missing=) -> Refused
    cmap.cmap_keys(config) -> ((key, type, value), ...)   as corosync-cmapctl lists a configuration
"""
