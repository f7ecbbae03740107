"""Sites that nobody lives in: the demonstration's, of any size, and the twin of a real one."""
