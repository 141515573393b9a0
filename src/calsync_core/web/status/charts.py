"""Numbers as inline SVG, each with the same numbers as text beside it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from calsync_core.web.markup import Content, Markup, element
from calsync_core.web.status.wording import count

__all__ = ["Bar", "Part", "bars", "legend", "strip"]

_HEIGHT = 100.0
_GAP = 0.12


@frozen
class Part:
    """One kind of what is counted.

    Attributes:
        colour: Its name in ``style``.
        name: What it is, in words.
        one: What a single one of them is called; where there is no plural, the same.
    """

    colour: str
    name: str
    count: int = 0
    one: str | None = None


@frozen
class Bar:
    """One bar, its parts from below.

    Attributes:
        label: What stands below it.
        row: What the table calls it.
    """

    label: Content
    row: Content
    parts: tuple[Part, ...]

    @property
    def total(self) -> int:
        """Of all its parts."""
        return sum(part.count for part in self.parts)


def bars(key: str, title: str, told: str, given: Sequence[Bar], *, ticks: Sequence[Content] = ()) -> Markup:
    """A bar for each, all numbers in a table behind a summary.

    Args:
        key: A name for it that the page uses once.
        title: What is shown, for whoever does not see it.
        told: What it tells, in a sentence.
        given: From left to right; all have the same parts.
        ticks: What stands below, spread evenly; by default each bar's label.
    """
    most = _ceiling(max((bar.total for bar in given), default=0))
    columns = [_column(place, bar, most) for place, bar in enumerate(given)]
    lines = [element("line", class_="axis", x1=0, x2=len(given), y1=y, y2=y) for y in (0, _HEIGHT / 2, _HEIGHT)]
    plot = _svg(key, title, told, f"0 -1 {len(given)} {_HEIGHT + 2:g}", [lines, columns], class_="plot")
    below = [element("span", tick) for tick in ticks or [bar.label for bar in given]]
    scale = element("span", f"{most:,}", class_="most", aria_hidden="true")
    axis = element("div", below, class_="ticks" if ticks else "ticks each", aria_hidden="true")
    kinds = given[0].parts if given else ()
    names = legend(kinds) if len(kinds) > 1 else None
    return element("figure", scale, plot, axis, names, element("figcaption", told), _table(title, given))


def strip(key: str, title: str, told: str, parts: Sequence[Part]) -> Markup:
    """One bar that lies on its side: what a whole consists of."""
    whole = sum(part.count for part in parts)
    shown, left = [], 0.0
    for part in parts:
        if part.count:
            width = part.count / whole * 100
            shown.append(
                element("rect", class_=f"f-{part.colour}", x=left, y=0, width=max(0.5, width - 0.3), height=10)
            )
            left += width
    return element("figure", _svg(key, title, told, "0 0 100 10", shown, class_="strip"), legend(parts, counted=True))


def legend(parts: Sequence[Part], *, counted: bool = False) -> Markup:
    """Which colour is what."""
    names = [
        element(
            "li",
            element("span", class_=f"key k-{part.colour}", aria_hidden="true"),
            f"{part.name}: {part.count:,}" if counted else part.name,
        )
        for part in parts
    ]
    return element("ul", names, class_="legend")


def _svg(key: str, title: str, told: str, box: str, content: Content, *, class_: str) -> Markup:
    names = (f"{key}-title", f"{key}-told")
    return element(
        "svg",
        element("title", title, id=names[0]),
        element("desc", told, id=names[1]),
        content,
        class_=class_,
        viewBox=box,
        preserveAspectRatio="none",
        role="img",
        aria_labelledby=" ".join(names),
    )


def _column(place: int, bar: Bar, most: int) -> Markup:
    said = ", ".join(count(part.count, (part.one or part.name).lower(), part.name.lower()) for part in bar.parts)
    drawn, top = [], _HEIGHT
    for part in bar.parts:
        if part.count:
            height = part.count / most * _HEIGHT
            top -= height
            drawn.append(
                element("rect", class_=f"f-{part.colour}", x=place + _GAP, y=top, width=1 - 2 * _GAP, height=height)
            )
    hover = element("rect", class_="hover", x=place, y=0, width=1, height=_HEIGHT)
    return element("g", element("title", bar.row, ": ", said), drawn, hover)


def _table(title: str, given: Sequence[Bar]) -> Markup:
    names = [part.name for part in given[0].parts] if given else []
    head = element(
        "tr", element("th", "", scope="col"), [element("th", name, scope="col", class_="n") for name in names]
    )
    rows = [
        element(
            "tr",
            element("th", bar.row, scope="row"),
            [element("td", f"{part.count:,}", class_="n") for part in bar.parts],
        )
        for bar in given
    ]
    table = element("table", element("caption", title), element("thead", head), element("tbody", rows))
    return element("details", element("summary", "As a table"), table)


def _ceiling(most: int) -> int:
    """The next round number, and one that has a half."""
    size = int("1" + "0" * (len(str(most)) - 1))
    return next(factor * size for factor in (1, 2, 4, 6, 8, 10) if factor * size >= max(2, most))
