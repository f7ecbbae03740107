"""The tests, and in support/ what they share."""
