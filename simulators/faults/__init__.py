"""What goes wrong between a device and who reads it: faults over any stream of records."""
