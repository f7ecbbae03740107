"""Scenarios: files that say what happens at a site, and what must come of it."""
