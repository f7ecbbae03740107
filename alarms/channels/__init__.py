"""One module per channel to people, with an exchange of it in a JSON file of the same name."""
