"""What the bytes on a connection mean: no socket, no clock, no sound."""
