"""The words that every room of Khaen shares."""
