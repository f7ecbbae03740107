"""What was heard, on disk until it is receipted: the file, its account, its bounds, its thread."""
