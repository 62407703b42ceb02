"""Which bytes, from whom, are they allowed in: browsers and pipelines around the engine."""
