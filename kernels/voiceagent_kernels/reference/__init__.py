"""Definitions of the ops in plain PyTorch. One op, one file, one test."""
