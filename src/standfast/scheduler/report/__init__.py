"""What the scheduler tells people: the situation as found, the changes it plans, and why."""
