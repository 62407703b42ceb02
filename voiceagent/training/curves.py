"""Loss curves as a picture: one SVG, a panel per stage, a line per figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT, _MARGIN, _LEGEND = 420, 200, 34, 150
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")

Curve = Sequence[Mapping[str, float]]


def draw(curves: Mapping[str, Curve]) -> str:
    """Return the picture.

    Args:
        curves: stage -> points with ``seconds`` and any other figures; each panel has a scale of
            its own, from 0 to the largest figure.
    """
    panels = [
        f'<g transform="translate(0 {row * (_HEIGHT + _MARGIN)})">{_panel(name, curve)}</g>'
        for row, (name, curve) in enumerate(curves.items())
    ]
    width, height = _WIDTH + _MARGIN + _LEGEND, len(panels) * (_HEIGHT + _MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif" font-size="10">{"".join(panels)}</svg>\n'
    )


def _panel(name: str, curve: Curve) -> str:
    figures = [key for key in (curve[-1] if curve else ()) if key not in ("seconds", "steps")]
    longest_s = max((point["seconds"] for point in curve), default=1.0) or 1.0
    highest = max((point.get(key, 0.0) for point in curve for key in figures), default=1.0) or 1.0
    lines = []
    for index, key in enumerate(figures):
        places = " ".join(
            f"{_MARGIN + point['seconds'] / longest_s * _WIDTH:.1f},"
            f"{_MARGIN + _HEIGHT - _MARGIN - point[key] / highest * (_HEIGHT - _MARGIN):.1f}"
            for point in curve
            if key in point
        )
        colour = _COLOURS[index % len(_COLOURS)]
        lines.append(f'<polyline points="{places}" fill="none" stroke="{colour}"/>')
        lines.append(
            f'<text x="{_MARGIN + _WIDTH + 6}" y="{_MARGIN + 12 * index + 8}" fill="{colour}">'
            f"{key} {curve[-1][key]:g}</text>"
        )
    frame = f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{_WIDTH}" height="{_HEIGHT - _MARGIN}" '
    return (
        f'<text x="{_MARGIN}" y="{_MARGIN - 6}" font-weight="bold">{name}, {longest_s:.0f} s, '
        f'0 to {highest:.3g}</text>{frame}fill="none" stroke="#ccc"/>{"".join(lines)}'
    )
