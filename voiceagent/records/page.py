"""A page that stands alone: one HTML file, its style inside, no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
from pathlib import Path

_STYLE = Path(__file__).with_name("page.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def style_hash() -> str:
    """The style as a content policy names it: a server whose own policy allows it can serve it."""
    digest = hashlib.sha256(_style().encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _style() -> str:
    """All that stands between the tags."""
    return "\n" + _STYLE.read_text(encoding="utf-8")


def page(title: str, body: str, *, has_sound: bool = False) -> str:
    """A whole document.

    Args:
        title: plain text.
        body: HTML.
        has_sound: whether recordings lie in it, as data of audio elements.
    """
    policy = _POLICY + ("; media-src data:" if has_sound else "")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>{_style()}</style>
</head>
<body>
{body}
</body>
</html>
"""


def escape(text: object) -> str:
    """Text as it may stand in HTML and in attributes."""
    return html.escape(str(text), quote=True)


def section(title: str, body: str, note: str = "") -> str:
    """A headed part of the page; `note` is HTML under the heading."""
    said = f'<p class="hint">{note}</p>' if note else ""
    return f"<section>\n<h2>{escape(title)}</h2>\n{said}{body}\n</section>"


def facts(rows: list[tuple[str, str]]) -> str:
    """Names and values, one under the other."""
    inside = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows
    )
    return f"<dl>{inside}</dl>"


def seconds(ms: int | float | None) -> str:
    """A duration for reading, such as "0.32 s"; a dash where there is none."""
    if ms is None:
        return "–"
    return f"{ms / 1000:.1f} s" if abs(ms) >= 9950 else f"{ms / 1000:.2f} s".replace("-", "−")


def clock(ms: int) -> str:
    """A point in a call, such as "1:05"."""
    return f"{ms // 60_000}:{ms // 1000 % 60:02d}"


def length(duration_ms: int) -> str:
    """How long a call took, such as "2 min 5 s"."""
    minutes, rest_s = divmod(round(duration_ms / 1000), 60)
    return f"{minutes} min {rest_s} s" if minutes else f"{rest_s} s"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"
