"""Where the embedded model comes from: synthetic speech in, a model folder out.

`voiceagent train nano` runs `pipeline`; README.md beside this file says how. Not needed to serve.
"""
