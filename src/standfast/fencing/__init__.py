"""Fencing devices, levels, delays, requests and their history: decides, never calls."""
