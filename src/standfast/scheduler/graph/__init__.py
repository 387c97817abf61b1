"""The transition graph: typed actions and their inputs, and its XML in Pacemaker's form."""
