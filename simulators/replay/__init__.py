"""Recorded traffic sent again: chosen, under other identities, at another time."""
