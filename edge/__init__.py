"""The gateway agent: hears the radio, keeps what it heard, forwards it until it is receipted."""
