"""One set of speech sounds for all synthesisers: the 39 phones of ARPAbet and the pause.

Each synthesiser names its sounds in its own way; what is no sound of American English becomes the
nearest one, and what is no sound at all a pause. Data and look-ups only.

Source: the CMU Pronouncing Dictionary's phone set; espeak-ng's phoneme mnemonics
(docs/phonemes.md); the phonemes of misaki, which hibari uses.
"""

from __future__ import annotations

PAUSE = "pau"
PHONES = (
    PAUSE,
    *(
        "aa ae ah ao aw ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw "
        "v w y z zh"
    ).split(),
)
#: Place of every phone in `PHONES`.
PHONE_IDS = {phone: index for index, phone in enumerate(PHONES)}


def _table(text: str) -> dict[str, str]:
    """Read "phone: names; ..."."""
    pairs = (entry.split(":", 1) for entry in text.split(";"))
    return {name: phone.strip() for phone, names in pairs for name in names.split()}


_ESPEAK = _table(
    "aa: 0 A@ A: aa A; ae: a; ah: @ V a# @L @- @2 @5; ao: o@ O: O O2 O@; aw: aU aU@; "
    "ay: aI aI@ aI3; b: b; ch: tS; d: d; dh: D; eh: E e@ e; er: 3 3: 3#; ey: eI; f: f; g: g; "
    "hh: h; ih: I I# I2 i@ i@3; iy: i i:; jh: dZ; k: k x; l: l l#; m: m; n: n n-; ng: N; ow: oU; "
    "oy: OI; p: p; r: r r-; s: s; sh: S; t: t t# t2; th: T; uh: U U@; uw: u: u; v: v; w: w; "
    "y: j; z: z; zh: Z"
)
_HIBARI = _table(
    "ey: A; ay: I; ow: O Q o; aw: W; oy: Y; t: T ɾ ʔ t; jh: ʤ; ch: ʧ; g: ɡ; r: ɹ; sh: ʃ; zh: ʒ; "
    "dh: ð; th: θ; ng: ŋ; y: j; ae: æ; aa: ɑ ɒ a; ah: ɐ ə ᵊ ʌ; ao: ɔ; eh: ɛ e; er: ɜ ɚ; ih: ɪ ᵻ; "
    "iy: i; uh: ʊ; uw: u; b: b; d: d; f: f; k: k; l: l; m: m; n: n; p: p; s: s; v: v; w: w; z: z; "
    "hh: h"
)


def phone_of_espeak(name: str) -> str:
    """Return the phone of one of espeak-ng's mnemonics."""
    return _ESPEAK.get(name, PAUSE)


def phone_of_flite(name: str) -> str:
    """Return the phone of one of flite's: ARPAbet already, with a schwa more."""
    return "ah" if name == "ax" else name if name in PHONE_IDS else PAUSE


def phone_of_hibari(symbol: str) -> str | None:
    """Return the phone of one symbol of hibari's; None for stress marks and punctuation."""
    return _HIBARI.get(symbol)
