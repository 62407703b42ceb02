"""Pipecat's log led to `logging`: it goes to stderr by itself, and holds what people say.

Imports no Pipecat, so that it can be called before the first import of it, which logs a banner.
"""

from __future__ import annotations

import logging

import loguru


def quieten_pipecat() -> None:
    """From now on Pipecat's warnings go to the logger "pipecat", the rest nowhere."""
    loguru.logger.remove()
    loguru.logger.add(_hand_on, level="WARNING")


def _hand_on(message: loguru.Message) -> None:
    record = message.record
    logging.getLogger("pipecat").log(record["level"].no, "%s", record["message"])
