"""Where the agent hears the radio: one file per kind of source."""
