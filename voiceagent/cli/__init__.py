"""The `voiceagent` command. One small file per subcommand; torch is loaded only by those that run
a model, so that help and errors come at once.
"""

from voiceagent.cli.main import main

__all__ = ["main"]
