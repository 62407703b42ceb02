"""`python -m voiceagent.cli`: the command without its entry point."""

import sys

from voiceagent.cli.main import main

sys.exit(main())
