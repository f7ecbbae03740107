"""Elders who wear bands: their days (`day`), and body and band (`elder`)."""

from simulators.people.day import BANGKOK, Activity
from simulators.people.elder import STEPS_PER_MINUTE, Elder

__all__ = ["BANGKOK", "STEPS_PER_MINUTE", "Activity", "Elder"]
