"""What a disk has after a power cut, from a record of all that was done to it."""
