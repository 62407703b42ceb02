"""Many English words, for speech that covers all sounds in all neighbourhoods.

They are those whose pronunciation hibari knows: a word list that comes with the voice.
"""

from __future__ import annotations

import functools
import gzip
import importlib.resources
import json

from voiceagent.errors import SynthesisUnavailable

_LONGEST = 10


@functools.cache
def lexicon() -> tuple[str, ...]:
    """Return the words in lower case, of letters only, in order.

    Raises:
        SynthesisUnavailable: hibari-tts is not installed.
    """
    try:
        assets = importlib.resources.files("hibari") / "assets"
    except ImportError as error:
        raise SynthesisUnavailable(
            "hibari", str(error), "pip install 'voiceagent[scenes]'"
        ) from error
    packed = (assets / "lexicon_us_gold.json.gz").read_bytes()
    words = json.loads(gzip.decompress(packed))
    plain = (w for w in words if w.isascii() and w.isalpha() and w.islower())
    return tuple(sorted(word for word in plain if 1 < len(word) <= _LONGEST))
