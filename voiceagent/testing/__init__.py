"""Tools that tests and benchmarks share, shipped so that others can test their agents with them.

State laws, recordings played to an engine, an independent recogniser, word errors. Nothing here is
imported by the product; models load when they are asked for, never at import.
"""
