"""The vocabulary of Pacemaker, Corosync and crmsh: crm grammar, exit codes, status text, tool texts.

Owns: text <-> our types, both ways. Does not own: commands, connections, decisions. No IO.
"""
