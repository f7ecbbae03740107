"""Where uplinks come from: each source turns a message into what it says."""
