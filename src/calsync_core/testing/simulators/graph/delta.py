"""``calendarView/delta``: rounds of pages, and tokens that remember a window.

What is done here on purpose: occurrences without most of their properties, a removed occurrence that only shows in what
is left, ``@removed`` for what lies outside the window, empty pages, replays, disorder ("delta-query-overview",
"event-delta", docs issues #7632 and #22197).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlencode

from attrs import evolve, frozen

from calsync_core.testing.simulators.graph.calls import READ, Call, Place
from calsync_core.testing.simulators.graph.errors import GraphError
from calsync_core.testing.simulators.graph.ids import EventId
from calsync_core.testing.simulators.graph.rendering import View, removed_json
from calsync_core.testing.simulators.graph.series import find, instances, overlaps
from calsync_core.testing.simulators.graph.state import Entry, Folder, Json, State, Touch
from calsync_core.testing.simulators.graph.views import window_of
from calsync_core.testing.simulators.messages import Response

__all__ = ["Deltas"]

_UNSUPPORTED = ("$orderby", "$filter", "$select", "$expand", "$search")


@frozen
class _Ref:
    """An item of a round; it is rendered when its page is, as it is then."""

    entry: Entry
    slot: datetime | None = None
    removed: bool = False
    mutable_id: str | None = None


@frozen
class _Position:
    """What a token stands for.

    Attributes:
        number: Changes up to this one are in the rounds before, or in this one.
        refs: What the rest of the round holds; None: a new round begins here.
        blank: Whether the empty page is still to come.
    """

    folder: Folder
    start: datetime
    end: datetime
    number: int
    refs: tuple[_Ref, ...] | None = None
    blank: bool = False


class Deltas:
    """The tokens handed out, and how they end."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._positions: dict[str, _Position] = {}
        self._expired: dict[str, tuple[int, str]] = {}
        self._fuse: tuple[int, int, str] | None = None

    def expire(self, status: int, code: str, after: int) -> None:
        """Let all links handed out so far expire, at once or after so many more pages."""
        self._fuse = (after, status, code)
        self._burn(0)

    def page(self, call: Call, place: Place) -> Response:
        """One page. Raises GraphError."""
        call.need(READ, place)
        self._refuse_options(call)
        token = call.request.arg("$skiptoken") or call.request.arg("$deltatoken")
        position = self._position(token, place, call) if token else self._begin(call, place)
        if position.refs is None:
            found, reached = self._round(position)
            blank = self._state.habits.empty_pages and len(found) > self._size(call)
            position = evolve(position, refs=tuple(found), number=reached, blank=blank)
        elif position.blank:
            return self._answer(call, [], evolve(position, blank=False))
        refs = position.refs or ()
        size = self._size(call)
        view = call.view_of(place)
        shown = [item for ref in refs[:size] if (item := _show(ref, view, place.folder)) is not None]
        return self._answer(call, shown, evolve(position, refs=refs[size:]))

    def _begin(self, call: Call, place: Place) -> _Position:
        start, end = window_of(call)
        return _Position(place.folder, start, end, number=-1)

    def _position(self, token: str, place: Place, call: Call) -> _Position:
        if token in self._expired:
            status, code = self._expired[token]
            old = self._positions[token]
            edges = {"startDateTime": old.start.isoformat(), "endDateTime": old.end.isoformat(), "$deltatoken": ""}
            headers = {"Location": f"{_address(call)}?{urlencode(edges, safe='$')}"} if status == 410 else {}
            raise GraphError(status, code, "The sync state generation is not found; start over.", headers)
        position = self._positions.get(token)
        if position is None or position.folder is not place.folder:
            raise GraphError(400, "SyncStateInvalid", "The sync state is invalid.")
        return position

    def _answer(self, call: Call, value: list[Json], position: _Position) -> Response:
        going_on = bool(position.refs) or position.blank
        token = self._token(position if going_on else evolve(position, refs=None))
        name, kind = ("@odata.nextLink", "$skiptoken") if going_on else ("@odata.deltaLink", "$deltatoken")
        context = f"{call.request.base}/v1.0/$metadata#Collection(event)"
        self._burn(1)
        return call.answer({"@odata.context": context, name: f"{_address(call)}?{kind}={token}", "value": value})

    def _token(self, position: _Position) -> str:
        token = base64.urlsafe_b64encode(self._state.dice.randbytes(48)).decode() + f"-{len(self._positions):x}"
        self._positions[token] = position
        return token

    def _burn(self, pages: int) -> None:
        if self._fuse is None:
            return
        left, status, code = self._fuse
        self._fuse = (left - pages, status, code)
        if left - pages <= 0:
            self._expired |= {token: (status, code) for token in self._positions if token not in self._expired}
            self._fuse = None

    def _size(self, call: Call) -> int:
        habits = self._state.habits
        return min(call.preferences.page_size or habits.page_size, habits.longest_page)

    def _refuse_options(self, call: Call) -> None:
        if any(name in _UNSUPPORTED for name, _ in call.request.query):
            message = (
                "The following parameters are not supported with change tracking over the 'CalendarView' resource: "
            )
            raise GraphError(400, "ErrorInvalidUrlQuery", f"{message}'{', '.join(_UNSUPPORTED)}'.")

    def _round(self, position: _Position) -> tuple[list[_Ref], int]:
        """What a new round holds, and the number of the last change that is in it."""
        reached = self._state.number
        refs: list[_Ref] = []
        if position.number < 0:
            for entry in position.folder.items.values():
                refs += self._present(entry, position, first=True)
        else:
            touches, reached = self._state.changed_since(position.folder, position.number)
            for touch in touches:
                refs += self._changed(touch, position)
        dice, habits = self._state.dice, self._state.habits
        if habits.shuffled:
            dice.shuffle(refs)
        if habits.replays and len(refs) > 1:
            refs.insert(dice.randrange(len(refs) + 1), dice.choice(refs))
        return refs, reached

    def _present(self, entry: Entry, position: _Position, *, first: bool) -> list[_Ref]:
        there = instances(entry, position.start, position.end)
        refs = [_Ref(entry, one.slot) for one in there]
        if there and entry.recurrence is not None and self._shows_master(first=first):
            refs.insert(0, _Ref(entry))
        return refs

    def _changed(self, touch: Touch, position: _Position) -> Iterator[_Ref]:
        entry = touch.entry
        if touch.gone:
            yield _Ref(entry, removed=True, mutable_id=touch.mutable_id)
            if self._state.habits.removed_occurrences:
                there = instances(entry, position.start, position.end)
                yield from (_Ref(entry, one.slot, removed=True) for one in there if one.slot is not None)
            return
        present = self._present(entry, position, first=False)
        yield from present or [_Ref(entry, removed=True)]
        for slot, special in entry.exceptions.items():
            inside = overlaps(entry, special.start, special.end, position.start, position.end)
            if special.version > position.number and not inside:
                yield _Ref(entry, slot, removed=True)

    def _shows_master(self, *, first: bool) -> bool:
        match self._state.habits.masters:
            case "always":
                return True
            case "never":
                return False
            case "first_round":
                return first
            case "sometimes":
                return first or self._state.dice.random() < 0.5


def _show(ref: _Ref, view: View, folder: Folder) -> Json | None:
    """The item's JSON; None: it went away in the middle of the round, and the next one will tell."""
    entry = ref.entry
    if ref.removed:
        stale = ref.mutable_id if not view.immutable else None
        return removed_json(stale or entry.event_id(immutable=view.immutable, slot=ref.slot))
    if entry.folder is not folder:
        return None
    try:
        one = find(entry, EventId(entry.key, ref.slot))
    except GraphError:
        return None
    if one.kind == "occurrence":
        return view.sparse(one)
    return {"@odata.type": "#microsoft.graph.event"} | view.event(one)


def _address(call: Call) -> str:
    return f"{call.request.base}{call.request.path}"
