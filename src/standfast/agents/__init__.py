"""Native resource agents, pure: the failover IP. Events in, effects out; runtime/ touches the kernel."""
