"""What happened in a call: one folder per session, a summary and a trace of every frame."""
