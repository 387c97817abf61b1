"""One file for each target: `one(data)` does what the product does with such bytes, and raises nothing but Malformed or Refused.

Anything else that it raises (an AssertionError about the result as well) is a crash. A module may set CPU_MS and MEMORY_MB (per
64 KiB begun) where the limits of limits.py are not its own, and DICTIONARY, words of its grammar.
"""
