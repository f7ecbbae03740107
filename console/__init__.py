"""The care centre's web console and its HTTP API."""
