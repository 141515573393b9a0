"""The charts of ``docs/scale.md``, as SVG that takes the page's own colour and needs nothing from elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.model import REQUESTS, Installation, Model, percentile

__all__ = ["write_charts"]

FOLDER = Path(__file__).parent.parent / "docs" / "_static"
WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 110, 34, 45
COLOURS = ("#c0392b", "#d68910", "#2874a6", "#1e8449")

Points = Sequence[tuple[float, float]]


def write_charts(model: Model) -> None:
    """All of them."""
    FOLDER.mkdir(exist_ok=True)
    for name, chart in (
        ("requests", requests_chart()),
        ("limits", limits_chart(model)),
        ("latency", latency_chart(model)),
    ):
        (FOLDER / f"scale-{name}.svg").write_text(chart, encoding="utf-8")


def requests_chart() -> str:
    """Requests for one new meeting, by the number of events ahead."""
    lines = [json.loads(line) for line in REQUESTS.read_text(encoding="utf-8").splitlines()]
    chosen = [
        line for line in lines if line["targets"] == 2 and line["step"] == "create" and line["provider"] == "google"
    ]
    chosen.sort(key=lambda line: line["ahead"])
    series = {
        name: [(line["ahead"], line[key]) for line in chosen]
        for name, key in (("classic", "classic"), ("with batches", "kinder"), ("calsync-core", "ours"))
    }
    return _lines(
        "Requests for one new meeting on a Google calendar with two others", "events ahead", "requests", series
    )


def latency_chart(model: Model) -> str:
    """Seconds from push to block for a million calendars, by the number of workers."""
    installation = Installation(model, 1_000_000)
    series: dict[str, list[tuple[float, float]]] = {"p99": [], "p95": [], "p50": []}
    for share in (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0):
        workers = math.ceil(share * installation.workers)
        waited = installation.latencies(workers)
        for name, points in series.items():
            points.append((workers, percentile(waited, float(name[1:]))))
    title = "From push to last block in the busiest hour, one million calendars"
    return _lines(title, "worker processes", "seconds", series)


def limits_chart(model: Model) -> str:
    """With how many calendars each limit is reached."""
    limits = model.limits()
    low, row = 3, 30
    high = math.ceil(math.log10(limits[-1].calendars))
    height = TOP + row * len(limits) + BOTTOM
    left, width = 190, WIDTH - 190 - 70
    parts = []
    for power in range(low, high + 1):
        x = left + width * (power - low) / (high - low)
        parts.append(_line(x, TOP, x, height - BOTTOM, faint=True))
        parts.append(_text(x, height - BOTTOM + 18, _power(power), "middle"))
    for number, limit in enumerate(limits):
        y = TOP + row * number + 6
        length = width * (math.log10(limit.calendars) - low) / (high - low)
        parts.append(f'<rect x="{left}" y="{y}" width="{max(length, 1):.0f}" height="18" fill="{COLOURS[2]}"/>')
        parts.append(_text(left - 8, y + 14, limit.name, "end"))
    parts.append(_text(left + width / 2, height - 6, "calendars with which it is reached", "middle"))
    return _svg("With how many calendars each limit is reached", height, parts)


def _lines(title: str, across: str, up: str, series: Mapping[str, Points]) -> str:
    """Lines between points, both axes logarithmic."""
    points = [point for each in series.values() for point in each]
    falling = points[0][1] > points[-1][1]
    lows, highs = ([f(math.log10(point[axis]) for point in points) for axis in (0, 1)] for f in (min, max))
    lows[1], highs[1] = math.floor(lows[1]), math.ceil(highs[1])

    def place(point: tuple[float, float]) -> tuple[float, float]:
        shares = [(math.log10(point[axis]) - lows[axis]) / (highs[axis] - lows[axis]) for axis in (0, 1)]
        return LEFT + shares[0] * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - shares[1] * (HEIGHT - TOP - BOTTOM)

    parts = []
    for power in range(int(lows[1]), int(highs[1]) + 1):
        y = place((10 ** lows[0], 10.0**power))[1]
        parts += [_line(LEFT, y, WIDTH - RIGHT, y, faint=True), _text(LEFT - 8, y + 4, _power(power), "end")]
    for value in sorted({point[0] for point in points}):
        x = place((value, 10 ** lows[1]))[0]
        parts.append(_line(x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 4))
    for value in {min(point[0] for point in points), max(point[0] for point in points)}:
        parts.append(_text(place((value, 10 ** lows[1]))[0], HEIGHT - BOTTOM + 18, f"{value:,.0f}", "middle"))
    for colour, (name, each) in zip(COLOURS, series.items(), strict=False):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, each))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        # At that end where the lines are apart.
        x, y = place(each[0] if falling else each[-1])
        parts.append(_text(x + 8, y - 3 if falling else y + 4, name, "start", colour))
    parts += [_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, across, "middle"), _text(LEFT - 8, TOP - 18, up, "end")]
    return _svg(title, HEIGHT, parts)


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" style="max-width:100%">'
    style = "font-family:sans-serif;font-size:12px"
    body = "\n".join(parts)
    return f'{head}\n<title>{title}</title>\n<g style="{style}" fill="currentColor">\n{body}\n</g>\n</svg>\n'


def _line(x1: float, y1: float, x2: float, y2: float, *, faint: bool = False) -> str:
    look = f'stroke="currentColor" stroke-opacity="{0.2 if faint else 1}"'
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = "currentColor") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def _power(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"
