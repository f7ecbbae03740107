"""A stand-in for ChirpStack v4: pure, under the time that its caller gives it."""
