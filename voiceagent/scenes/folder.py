"""Scenes on disk: one folder each with ``user.wav``, ``agent.wav`` and ``annotation.json``.

A folder appears whole or not at all, so whoever lists scenes never meets half of one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from voiceagent.errors import ConfigError
from voiceagent.scenes.render import Rendered
from voiceagent.scenes.scene import Scene, from_json
from voiceagent.scenes.utterance import SAMPLES_PER_MS

ANNOTATION = "annotation.json"
USER_WAV, AGENT_WAV = "user.wav", "agent.wav"


def write(rendered: Rendered, folder: Path) -> Path:
    """Write a scene into a folder of its own, replacing what was there of the same id.

    Args:
        rendered: from `render.render`.
        folder: holds the scenes; made if missing.

    Returns:
        The scene's folder. Sound is 16-bit at 24 kHz.

    Raises:
        AudioFileError: a sound file cannot be written.
        OSError: the folder cannot be made.
    """
    from voiceagent.audio.wav import write_wav

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / rendered.scene.id
    with tempfile.TemporaryDirectory(prefix=".scene-", dir=folder) as scratch:
        whole = Path(scratch) / "whole"
        whole.mkdir()
        write_wav(whole / USER_WAV, rendered.user)
        write_wav(whole / AGENT_WAV, rendered.agent)
        (whole / ANNOTATION).write_text(rendered.scene.to_json(), encoding="utf-8")
        if target.exists():
            target.rename(Path(scratch) / "replaced")
        whole.rename(target)
    return target


def read(target: Path) -> Rendered:
    """Read a scene back.

    Args:
        target: the scene's own folder.

    Raises:
        ConfigError: the annotation is missing, malformed, or of another length than the sound.
        AudioFileError: a sound file cannot be read.
    """
    from voiceagent.audio.wav import read_wav

    scene = read_annotation(target)
    user, agent = read_wav(target / USER_WAV).pcm, read_wav(target / AGENT_WAV).pcm
    if {len(user), len(agent)} != {scene.duration_ms * SAMPLES_PER_MS}:
        raise ConfigError(f"{target}: the annotation says {scene.duration_ms} ms, the sound not")
    return Rendered(scene, user, agent)


def read_annotation(target: Path) -> Scene:
    """Read a scene without its sound.

    Raises:
        ConfigError: the annotation is missing or malformed.
    """
    path = target / ANNOTATION
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
