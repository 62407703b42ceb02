"""Real-time full-duplex voice agents: listen and talk at the same time."""

__version__ = "0.1.0"
