"""The arithmetic of one 80 ms step: plain-PyTorch meanings of every op on the hot path.

Knows tensors only: no audio, no network, no checkpoint. `reference/<op>.py` holds an op's
definition; it runs everywhere and is what a faster backend is compared with.
"""
