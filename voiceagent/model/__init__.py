"""What comes next in the token streams: the full-duplex decoder and its checkpoints."""
