"""Scripted two-sided conversations as sound, with the time of every word.

Questions, pauses, interruptions, backchannels, talk to others, background speech, noise and
silence, made from seeds: `make_script` or `make_session`, then `render`, then `write`. Tests,
benchmarks, the bench and training use them. Synthesisers load at the first sentence;
importing this room is cheap.
"""

from voiceagent.scenes.channel import Conditions
from voiceagent.scenes.dialogue import DialogueShares, make_dialogue
from voiceagent.scenes.folder import read, read_annotation, write
from voiceagent.scenes.render import Rendered, render
from voiceagent.scenes.scene import SCENE_CLASSES, Event, Expected, Scene, from_json
from voiceagent.scenes.script import Line, Script, make_script, make_session
from voiceagent.scenes.speakers import AGENT_VOICE, HELD_OUT, Speaker, random_speaker, speaker
from voiceagent.scenes.utterance import Utterance, Word

__all__ = [
    "AGENT_VOICE",
    "HELD_OUT",
    "SCENE_CLASSES",
    "Conditions",
    "DialogueShares",
    "Event",
    "Expected",
    "Line",
    "Rendered",
    "Scene",
    "Script",
    "Speaker",
    "Utterance",
    "Word",
    "from_json",
    "make_dialogue",
    "make_script",
    "make_session",
    "random_speaker",
    "read",
    "read_annotation",
    "render",
    "speaker",
    "write",
]
