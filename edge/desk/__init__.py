"""What an engineer asks of an agent on the gateway itself: check, status, tail, drain."""
