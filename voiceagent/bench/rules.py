"""Which arithmetic the scores follow: the official one, its later correction, or ours.

The official scripts changed once and have quirks that move numbers, so a score means little without
the rules it was made by; every table prints them. Only the backchannel axis has quirks that can be
switched: everything else is one definition, with further columns beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from voiceagent.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the backchannel axis is scored.

    Attributes:
        name: as given to ``--compat``.
        detector_ignores_rate: the detector takes every file for 16 kHz, so that what was recorded
            at 24 kHz lasts half as long again for it.
        last_verdict_counts: a recording is a takeover if its last stretch is one, not if any is.
        counts_takeovers: stretches too long for a backchannel count as backchannels in frequency
            and placement.
        note: a sentence for the report.
    """

    name: str
    detector_ignores_rate: bool
    last_verdict_counts: bool
    counts_takeovers: bool
    note: str

    @property
    def is_official(self) -> bool:
        """Whether published numbers of the backchannel axis may follow the same rules."""
        return self.last_verdict_counts


CORRECTED = Rules(
    name="corrected",
    detector_ignores_rate=False,
    last_verdict_counts=False,
    counts_takeovers=False,
    note="backchannel axis: detector at the file's true rate, any takeover counts, and only "
    "backchannels enter frequency and placement; not comparable with published rows",
)
UPSTREAM_D7336BD = Rules(
    name="upstream@d7336bd",
    detector_ignores_rate=True,
    last_verdict_counts=True,
    counts_takeovers=True,
    note="as the official scripts of 2026-04-15, with their detector taking every file for 16 kHz",
)
UPSTREAM_PR12 = Rules(
    name="upstream@PR12",
    detector_ignores_rate=False,
    last_verdict_counts=True,
    counts_takeovers=True,
    note="as the official scripts since 2026-05-10: the detector at the file's true rate",
)
RULES = {rules.name: rules for rules in (CORRECTED, UPSTREAM_D7336BD, UPSTREAM_PR12)}


def rules_named(name: str) -> Rules:
    """Find rules.

    Raises:
        ConfigError: there are none of this name; lists those there are.
    """
    if name not in RULES:
        raise ConfigError(f"there are no rules {name!r}; --compat takes {', '.join(RULES)}")
    return RULES[name]
