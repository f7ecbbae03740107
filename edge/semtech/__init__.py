"""Semtech's packet forwarder: its JSON both ways, its socket, what it counts."""
