"""Devices as the world sees them: what they say, where they are, what they keep."""
