"""The site file: one description from which everything else is generated or checked."""
