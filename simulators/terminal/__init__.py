"""What a person at a terminal sees of a simulated site, and types into it."""
