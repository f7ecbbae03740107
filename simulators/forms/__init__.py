"""In which forms a heard frame travels: a datagram, an envelope, a network server's event."""
