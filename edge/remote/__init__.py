"""Configuration from afar: tried, and kept only by an agent that is still in touch."""
