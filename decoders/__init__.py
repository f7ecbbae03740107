"""Payload bytes to readings and events."""
