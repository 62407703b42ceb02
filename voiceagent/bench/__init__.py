"""How well does it converse: Full-Duplex-Bench, live, against any system."""
