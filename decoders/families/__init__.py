"""One module per family of devices, with its vectors in a JSON file of the same name."""
