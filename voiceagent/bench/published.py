"""Published numbers of the official suites, to stand beside one's own with their source.

They are not comparable with each other unless recogniser, script version and start silence agree,
which their sources seldom say; a report therefore calls them a background, never a ranking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

README = "official README"
_CARD = "NVIDIA model card, second-hand"
_ASPIRIN = "arXiv 2604.10065, table 1, second-hand"


@dataclass(frozen=True, slots=True)
class Published:
    """One system's numbers.

    Attributes:
        system: as its source calls it.
        source: where they stand.
        numbers: task -> column -> value.
        note: what to know about them.
    """

    system: str
    source: str
    numbers: Mapping[str, Mapping[str, float]]
    note: str = ""


def _v1(system: str, source: str, row: str, note: str = "") -> Published:
    """A row: pause TOR synthetic, Candor; backchannel TOR, per s, JSD; turn TOR, s; stop TOR, s."""
    cells = (
        *(("synthetic_pause_handling", "tor"), ("candor_pause_handling", "tor")),
        *(("icc_backchannel", "tor"), ("icc_backchannel", "per_s"), ("icc_backchannel", "jsd")),
        *(("candor_turn_taking", "tor"), ("candor_turn_taking", "latency_s")),
        ("synthetic_user_interruption", "tor"),
        ("synthetic_user_interruption", "latency_s"),
    )
    numbers: dict[str, dict[str, float]] = {}
    for (task, column), value in zip(cells, row.split(), strict=True):
        numbers.setdefault(task, {})[column] = float(value)
    return Published(system, source, numbers, note)


V1 = (
    _v1("dGSLM", README, ".934 .935 .691 .015 .934 .975 .352 .917 2.531"),
    _v1(
        "Moshi",
        README,
        ".985 .980 1.000 .001 .957 .941 .265 1.000 .257",
        "disputed: its greeting counts as a takeover of every pause; run it yourself",
    ),
    _v1("Freeze-Omni", README, ".642 .481 .636 .001 .997 .336 .953 .867 1.409"),
    _v1("Gemini Live 2.0", README, ".255 .310 .091 .012 .896 .655 1.301 .891 1.183"),
    _v1("GPT-Realtime", README, ".010 .120 .000 .007 .980 1.000 1.470 .970 1.500"),
    _v1("PersonaPlex (paper)", README, ".584 .662 .327 .025 .649 .992 .070 1.000 .400"),
    _v1("PersonaPlex-7B-v1", _CARD, ".358 .431 .273 .042 .662 .908 .170 .950 .240"),
    _v1("Moshi, prompt 3 s late", _ASPIRIN, ".467 .495 .436 .044 .705 .748 .161 .901 1.159"),
)


#: Task of v1.5 -> what is wanted there; its share is all that some sources give.
_WANTED = {
    "user_interruption": "respond",
    "user_backchannel": "resume",
    "talking_to_other": "resume",
    "background_speech": "resume",
}
_NFSM = "arXiv 2609.03321, table 5, second-hand"


def _v15(system: str, source: str, *rows: str, note: str = "") -> Published:
    """Rows in the order of the tasks: respond, resume, uncertain, unknown, stop s, response s."""
    columns = ("respond", "resume", "uncertain", "unknown", "stop_s", "respond_s")
    numbers = {
        task: dict(zip(columns, map(float, row.split()), strict=True))
        for task, row in zip(_WANTED, rows, strict=True)
    }
    return Published(system, source, numbers, note)


def _wanted(system: str, source: str, row: str, note: str = "") -> Published:
    """The share of what is wanted alone, in the order of the tasks."""
    values = zip(_WANTED.items(), map(float, row.split()), strict=True)
    numbers = {task: {column: value} for (task, column), value in values}
    return Published(system, source, numbers, note)


V15 = (
    _v15(
        *("GPT-4o Realtime 2024-12-17", "arXiv 2507.23159v4, table 2, second-hand"),
        *(".78 .10 .02 .12 .23 1.50", ".03 .70 .01 .25 .21 1.32"),
        *(".91 .02 .01 .06 .18 1.16", ".93 .04 .00 .03 .18 1.26"),
    ),
    _wanted("Moshi", _NFSM, ".50 .06 .19 .07"),
    _wanted("Freeze-Omni", _NFSM, ".72 .80 .25 .25"),
    _wanted("Gemini Live", _NFSM, ".33 .93 .99 .30"),
    _wanted("NFSM+SAC", _NFSM, ".69 .98 .44 .36"),
    _wanted(
        "MiniCPM-o 4.5",
        "interaction_gym, another judge, second-hand",
        ".72 1.0 .30 .50",
        "differs widely from other sources",
    ),
)
PUBLISHED: Mapping[str, tuple[Published, ...]] = {"fdb-v1": V1, "fdb-v1.5": V15}
