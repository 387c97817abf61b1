"""What every room may use: ids, reports, bounded queues, byte readers. Standard library only, and no IO.

Owns: the words that all rooms share. Does not own: any decision, any format, any clock.
Time is always an argument: `now_us`, integer microseconds of the monotonic clock, or `now_s`, seconds of the wall clock
where a text or a rule needs a date. Entropy is a constructor argument (`Entropy`).
"""
