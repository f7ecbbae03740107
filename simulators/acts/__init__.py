"""What happens to a site's subjects: the vocabulary, how it is typed, and how it is done."""
