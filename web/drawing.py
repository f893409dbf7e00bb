"""The chart as an SVG with fixed coordinates: no layout program, the same picture everywhere.

It refuses to draw a chart that it has no place for: a new state needs a place here, tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from engine import chart

WIDTH, HEIGHT = 1000, 560
BOX_W, BOX_H = 150, 44
PLACES: Mapping[str, tuple[int, int]] = {
    "created": (100, 90),
    "ready": (300, 90),
    "approving": (500, 90),
    "approved": (700, 90),
    "completed": (900, 90),
    "cancelled": (100, 290),
    "expired": (280, 290),
    "failed": (460, 290),
    "refunding": (800, 290),
    "captured_unwanted": (280, 470),
    "partially_refunded": (640, 470),
    "refunded": (900, 470),
}
"""Centres of the states' boxes."""
BOLD = (("created", "ready"), ("ready", "approving"), ("approving", "approved"))
MAIN = frozenset((*BOLD, ("approved", "completed")))
_STYLE = (
    "text{font:13px system-ui,sans-serif;text-anchor:middle;fill:#1c1b19}"
    ".s{fill:#fff;stroke:#1f5a4c;stroke-width:1.5}.c{fill:#eceae4;stroke:#8a877f}"
    ".w{fill:#fdf3c8}.e{fill:none;stroke:#8a877f;stroke-width:1.2;marker-end:url(#a)}"
    ".m{stroke:#1f5a4c;stroke-width:2.6}.l{font-size:11px;fill:#66635c}"
)


def svg() -> str:
    """The chart as an SVG document."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for edge in chart.TRANSITIONS:
        pairs.setdefault((edge.source, edge.target), []).append(edge.event)
    drawn = [_edge(source, target, events) for (source, target), events in pairs.items()]
    boxes = [_box(state) for state in chart.STATES]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Strada payment chart"><style>{_STYLE}</style>'
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a877f"/></marker></defs>'
        f"{''.join(drawn)}{''.join(boxes)}</svg>\n"
    )


def _box(state: str) -> str:
    x, y = PLACES[state]
    kind = "c" if state in chart.CLOSED else "w" if chart.DEADLINES[state] == "evidence" else ""
    return (
        f'<g data-state="{state}"><rect class="s {kind}" x="{x - BOX_W // 2}" '
        f'y="{y - BOX_H // 2}" width="{BOX_W}" height="{BOX_H}" rx="10"/>'
        f'<text x="{x}" y="{y + 5}">{state}</text></g>'
    )


def _edge(source: str, target: str, events: list[str]) -> str:
    label = ", ".join(events)
    title = f"<title>{source} → {target}: {label}</title>"
    kind = "e m" if (source, target) in MAIN else "e"
    if source == target:
        x, y = PLACES[source]
        path = f"M{x - 25} {y + 22}C{x - 45} {y + 70} {x + 45} {y + 70} {x + 25} {y + 22}"
        return f'<path class="{kind}" data-edge="{label}" d="{path}">{title}</path>'
    (x1, y1), (x2, y2) = _rim(source, target), _rim(target, source)
    bend = 26 if (target, source) in {(e.source, e.target) for e in chart.TRANSITIONS} else 0
    length = math.hypot(x2 - x1, y2 - y1)
    mx = (x1 + x2) / 2 - (y2 - y1) / length * bend
    my = (y1 + y2) / 2 + (x2 - x1) / length * bend
    path = f"M{x1:.0f} {y1:.0f}Q{mx:.0f} {my:.0f} {x2:.0f} {y2:.0f}"
    edge = f'<path class="{kind}" data-edge="{label}" d="{path}">{title}</path>'
    if (source, target) not in MAIN:
        return edge
    text = f'<text class="l" x="{(x1 + x2) / 2:.0f}" y="{y1 - 30:.0f}">{label}</text>'
    return edge + text


def _rim(state: str, towards: str) -> tuple[float, float]:
    """Where the line from a box's centre to another's leaves the box."""
    (x, y), (tx, ty) = PLACES[state], PLACES[towards]
    dx, dy = tx - x, ty - y
    scale = min(BOX_W / 2 / abs(dx) if dx else math.inf, BOX_H / 2 / abs(dy) if dy else math.inf)
    return x + dx * scale, y + dy * scale
