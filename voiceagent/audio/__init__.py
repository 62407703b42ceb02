"""Packets, frames, levels and sound files: what arrives, in NumPy. No torch, no event loop."""
