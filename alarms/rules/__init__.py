"""One module per rule, with a timeline of what it raises in a JSON file of the same name."""
