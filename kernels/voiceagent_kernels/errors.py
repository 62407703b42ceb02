"""Errors of the kernels package."""


class KernelError(Exception):
    """An op was called with arguments it is not defined for; the message names them."""
