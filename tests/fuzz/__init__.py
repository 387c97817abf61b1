"""Fuzzing: `./run fuzz`. Targets are one small file each; what drives them, limits and mutators are here.

Owns: the limits of time and memory for one input, the two drivers (Atheris where it is installed, a seeded mutator elsewhere),
corpora and kept crashes. Does not own: what is right or wrong about a result; each target says so itself.
"""
