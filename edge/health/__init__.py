"""How the agent is, and how it says so: status, metrics, warnings' causes."""
