"""Rooms of a LiveKit server, telephone calls among them: the worker, a call, its media.

The worker speaks LiveKit's protocol itself (`protocol.agent_worker`), so that calls are tasks of
the loop that also holds the engine's client: livekit-agents would run each in a loop of its own,
pin an older `livekit` and take 390 MB (measured 2026-11-21).
"""
