"""Actions of resources: probes, starts, stops, moves, recurring monitors, clean-ups, and what each one needs."""
