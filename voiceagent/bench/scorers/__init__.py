"""The measures of Full-Duplex-Bench v1 and v1.5, each from its published rule: numbers in and out.

No files and no models: `voiceagent.bench.score` brings words and stretches of speech.
"""
