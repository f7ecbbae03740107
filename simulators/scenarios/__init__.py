"""The scenarios that come with Khaen: one YAML file each (docs/scenarios.md)."""
