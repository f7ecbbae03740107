"""Each source, and the one suite that all of them pass."""
