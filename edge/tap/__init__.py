"""Recording what packet forwarders say, on the way to the agent."""
