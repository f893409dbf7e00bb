"""The chart as a picture with fixed coordinates: no layout program, the same picture everywhere.

It refuses to draw a chart that it has no place for: a new state needs a place here, tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from engine import chart

Point = tuple[float, float]
WIDTH, HEIGHT = 1000, 540
BOX_W, BOX_H = 164, 48
PLACES: Mapping[str, tuple[int, int]] = {
    "created": (100, 90),
    "ready": (300, 90),
    "approving": (500, 90),
    "approved": (700, 90),
    "completed": (900, 90),
    "cancelled": (100, 280),
    "expired": (290, 280),
    "failed": (480, 280),
    "refunding": (770, 280),
    "captured_unwanted": (290, 460),
    "partially_refunded": (600, 460),
    "refunded": (900, 460),
}
"""Centres of the states' boxes."""
VIA: Mapping[tuple[str, str], tuple[int, int]] = {
    ("approved", "refunded"): (905, 175),
    ("completed", "partially_refunded"): (925, 452),
    ("partially_refunded", "completed"): (890, 420),
}
"""Where an arrow bends so as not to run through another box."""
BOLD = (("created", "ready"), ("ready", "approving"), ("approving", "approved"))
MAIN = frozenset((*BOLD, ("approved", "completed")))
_STYLE = (
    "text{font:15px system-ui,sans-serif;text-anchor:middle;fill:#1c1b19}"
    ".s{fill:#fff;stroke:#1f5a4c;stroke-width:1.5}.c{fill:#eceae4;stroke:#8a877f}"
    ".w{fill:#fdf3c8}.e{fill:none;stroke:#8a877f;stroke-width:1.2;marker-end:url(#a)}"
    ".m{stroke:#1f5a4c;stroke-width:2.6}.l{font-size:12px;fill:#66635c}"
)


def shapes() -> dict[str, Any]:
    """Boxes and arrows as data: what `svg` draws, and the web UI."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for edge in chart.TRANSITIONS:
        pairs.setdefault((edge.source, edge.target), []).append(edge.event)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "box": {"width": BOX_W, "height": BOX_H},
        "states": [_state(state) for state in chart.STATES],
        "edges": [_edge(source, target, events) for (source, target), events in pairs.items()],
    }


def svg() -> str:
    """The chart as an SVG document."""
    drawn = shapes()
    edges = "".join(map(_path, drawn["edges"]))
    boxes = "".join(map(_box, drawn["states"]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Strada payment chart"><style>{_STYLE}</style>'
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" '
        'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8a877f"/></marker></defs>'
        f"{edges}{boxes}</svg>\n"
    )


def _state(state: str) -> dict[str, Any]:
    x, y = PLACES[state]
    waits = chart.DEADLINES[state] == "evidence"
    kind = "closed" if state in chart.CLOSED else "waits" if waits else "open"
    return {"id": state, "x": x, "y": y, "kind": kind}


def _box(state: Mapping[str, Any]) -> str:
    x, y = state["x"], state["y"]
    kind = {"closed": "c", "waits": "w", "open": ""}[state["kind"]]
    return (
        f'<g data-state="{state["id"]}"><rect class="s {kind}" x="{x - BOX_W // 2}" '
        f'y="{y - BOX_H // 2}" width="{BOX_W}" height="{BOX_H}" rx="10"/>'
        f'<text x="{x}" y="{y + 5}">{state["id"]}</text></g>'
    )


def _edge(source: str, target: str, events: list[str]) -> dict[str, Any]:
    """An arrow; those of the bold path have a label, at (x, y)."""
    main = (source, target) in MAIN
    drawn: dict[str, Any] = {"source": source, "target": target, "events": events, "main": main}
    if source == target:
        x, y = PLACES[source]
        foot = y + BOX_H // 2
        d = f"M{x - 25} {foot}C{x - 45} {foot + 48} {x + 45} {foot + 48} {x + 25} {foot}"
        return drawn | {"d": d}
    via = VIA.get((source, target))
    (x1, y1), (x2, y2) = _rim(source, via or PLACES[target]), _rim(target, via or PLACES[source])
    mx, my = via or _bend(source, target, (x1, y1), (x2, y2))
    drawn["d"] = f"M{x1:.0f} {y1:.0f}Q{mx:.0f} {my:.0f} {x2:.0f} {y2:.0f}"
    if main:
        drawn["label"] = {"x": round((x1 + x2) / 2), "y": round(y1) - 34, "text": events[0]}
    return drawn


def _bend(source: str, target: str, start: Point, end: Point) -> Point:
    """The middle of an arrow, moved aside where another one comes the other way."""
    bend = 26 if (target, source) in {(e.source, e.target) for e in chart.TRANSITIONS} else 0
    (x1, y1), (x2, y2) = start, end
    length = math.hypot(x2 - x1, y2 - y1)
    mx = (x1 + x2) / 2 - (y2 - y1) / length * bend
    my = (y1 + y2) / 2 + (x2 - x1) / length * bend
    return mx, my


def _path(edge: Mapping[str, Any]) -> str:
    events = ", ".join(edge["events"])
    kind = "e m" if edge["main"] else "e"
    title = f"<title>{edge['source']} → {edge['target']}: {events}</title>"
    drawn = f'<path class="{kind}" data-edge="{events}" d="{edge["d"]}">{title}</path>'
    if "label" not in edge:
        return drawn
    label = edge["label"]
    return f'{drawn}<text class="l" x="{label["x"]}" y="{label["y"]}">{label["text"]}</text>'


def _rim(state: str, towards: Point) -> Point:
    """Where the line from a box's centre to a point leaves the box."""
    (x, y), (tx, ty) = PLACES[state], towards
    dx, dy = tx - x, ty - y
    scale = min(BOX_W / 2 / abs(dx) if dx else math.inf, BOX_H / 2 / abs(dy) if dy else math.inf)
    return x + dx * scale, y + dy * scale
