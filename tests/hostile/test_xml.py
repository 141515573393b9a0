"""XML that does more than say something: none of it is carried out, and all of it stays small."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from caldav_scripts import FILES, serving
from calsync_core.errors import ProviderError, UnreadableAnswer
from calsync_core.providers.caldav.wire import parse_multistatus, parse_preconditions
from confined import confined
from scripted_server import Dav, Reply, Request, scripted

SPACES = 'xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'


def answer(inner: str, before: str = "", attributes: str = "") -> bytes:
    return f'<?xml version="1.0"?>{before}<multistatus {SPACES} {attributes}>{inner}</multistatus>'.encode()


def response(href: str, inner: str = "") -> str:
    return f"<response><href>{href}</href>{inner}</response>"


def laughs(levels: int, width: int) -> str:
    made = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * width}">' for n in range(levels))
    return f'<!DOCTYPE m [<!ENTITY l0 "{"ha" * 50}">{made}]>'


SECRET_FILE = Path(__file__)

REFUSED: dict[str, bytes] = {
    "laughs": answer(response("&l9;"), laughs(9, 10)),
    "laughs in an attribute": answer(response("/a"), laughs(9, 10), 'a="&l9;"'),
    "quadratic": answer(response("&e;" * 50_000), f'<!DOCTYPE m [<!ENTITY e "{"x" * 50_000}">]>'),
    "an entity that is itself": answer(response("&a;"), '<!DOCTYPE m [<!ENTITY a "&b;"><!ENTITY b "&a;">]>'),
    "a file": answer(response("&f;"), f'<!DOCTYPE m [<!ENTITY f SYSTEM "{SECRET_FILE.as_uri()}">]>'),
    "a parameter entity": answer(
        response("/a"), f'<!DOCTYPE m [<!ENTITY % p SYSTEM "{SECRET_FILE.as_uri()}"> %p; <!ENTITY a "x">]>'
    ),
    "a file as the document type": answer(response("/a"), f'<!DOCTYPE m SYSTEM "{SECRET_FILE.as_uri()}">'),
    "a default attribute": answer(response("/a"), '<!DOCTYPE m [<!ATTLIST href preferred CDATA "1">]>'),
    "an unknown entity": answer(response("&nobody;")),
    "deep": answer("<a>" * 100_000 + "</a>" * 100_000),
    "deep for a text that people write": answer("<a>" * 300 + "</a>" * 300),
    "an encoding nobody has": b'<?xml version="1.0" encoding="x-none"?><multistatus xmlns="DAV:"/>',
    "an encoding that is not so": b'<?xml version="1.0" encoding="utf-16"?><multistatus xmlns="DAV:"/>',
    "half a surrogate": answer(response("&#xD800;")),
    "a nul": answer(response("&#0;")),
    "two documents": answer(response("/a")) * 2,
    "attributes that come twice": answer('<response a="1" a="2"/>'),
    "no such prefix": answer("<x:response/>"),
    "a name of a megabyte": answer(f"<{'a' * 11_000_000}/>"),
    "an address that is none": answer(response("//[")),
    "a port that is none": answer(response("http://h:99999/a.ics")),
}


@pytest.mark.parametrize("trick", REFUSED)
def test_tricks_are_refused_in_our_words(trick: str) -> None:
    with pytest.raises(UnreadableAnswer) as refused:
        parse_multistatus(REFUSED[trick])
    assert len(str(refused.value)) < 100
    assert isinstance(parse_preconditions(REFUSED[trick].replace(b"multistatus", b"error")), frozenset)


def test_what_is_included_is_not() -> None:
    """XInclude and processing instructions are text to be ignored."""
    include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{SECRET_FILE.as_uri()}" parse="text"/>'
    style = f'<?xml-stylesheet type="text/xsl" href="{SECRET_FILE.as_uri()}"?>'
    found = parse_multistatus(answer(f"<response><href>/a{include}</href></response>", style))
    assert [entry.href for entry in found.entries] == ["/a"]


def test_nothing_is_fetched_for_a_document() -> None:  # I-38
    with scripted(Dav(FILES)) as elsewhere:
        for tag in (f'<!ENTITY x SYSTEM "{elsewhere.root}/x">', f'<!ENTITY % x SYSTEM "{elsewhere.root}/x"> %x;'):
            with pytest.raises(UnreadableAnswer):
                parse_multistatus(answer(response("&x;"), f"<!DOCTYPE m [{tag}]>"))
        with pytest.raises(UnreadableAnswer):
            parse_multistatus(answer(response("/a"), f'<!DOCTYPE m SYSTEM "{elsewhere.root}/x.dtd">'))
        assert elsewhere.requests == []


@pytest.mark.parametrize("status", ["9" * 5_000, "-404", "4 04", "", "٤٠٤0", "1e3"])
def test_a_status_that_is_none_is_a_failure(status: str) -> None:
    """And not "gone": nothing is concluded from it (I-07)."""
    found = parse_multistatus(answer(response("/a", f"<status>HTTP/1.1 {status}</status>")))
    assert [entry.status for entry in found.entries] == [500]


def test_a_name_that_is_none_fails_the_read_and_deletes_nothing() -> None:  # I-07
    """Left out, the resource would pass for deleted."""
    for href in ("//[x", "http://[::1/a.ics", "http://h:port/a.ics", "http://a\u2100b/a.ics"):
        body = answer(response("/dav/work/") + response(href))
        with serving(partial(_told, body)) as (_, bench), pytest.raises(ProviderError):
            bench.read()


def _told(body: bytes, _request: Request) -> Reply:
    return Reply(207, body)


def explode(name: str) -> str:
    body = BOMBS[name]()
    try:
        return f"{len(parse_multistatus(body).entries)} entries"
    except UnreadableAnswer:
        return "refused"


BOMBS: dict[str, Callable[[], bytes]] = {
    **{name: partial(bytes, body) for name, body in REFUSED.items()},
    "a device without end": lambda: answer(response("&f;"), '<!DOCTYPE m [<!ENTITY f SYSTEM "file:///dev/zero">]>'),
    "a hundred thousand responses": lambda: answer(response("/a") * 100_000),
    "a response with a hundred thousand names": lambda: answer(
        f"<response>{'<href>/a</href>' * 100_000}<propstat><prop>{'<a/>' * 1_000}</prop></propstat></response>"
    ),
    "a million elements": lambda: answer("<a/>" * 1_000_000),
    "comments": lambda: answer("<!---->" * 1_000_000),
    "attributes": lambda: answer("<a " + " ".join(f"a{n}='1'" for n in range(100_000)) + "/>"),
    "spaces": lambda: answer("<a " + " ".join(f"xmlns:a{n}='{n}'" for n in range(20_000)) + "/>"),
}


def test_bombs_cost_little() -> None:
    told = confined("hostile/test_xml.py", "explode", BOMBS, megabytes=1_000)
    assert {name: end for name, end in told.items() if not end.endswith(("entries", "refused"))} == {}
