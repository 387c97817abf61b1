"""Requests and replies between local tools and the manager or the engine, and the one gate that authorises every verb.

Owns: the verbs (protocol.py), who may use which (gate.py). Does not own: sockets (client/ for tools, runtime/ for daemons).
"""
