"""WebDAV bodies and names: built right, read right, and harmless whatever a server sends."""

from __future__ import annotations

import contextlib
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (a compiled module without stubs)

from calsync_core.core.tags import build_tag, parse_tag
from calsync_core.errors import UnreadableAnswer
from calsync_core.icalendar.names import block_id, block_uid, parse_block_name, parse_block_uid
from calsync_core.models import Tag
from calsync_core.providers.caldav.names import (
    collection_url,
    is_collection,
    key_of,
    quoted_etag,
    resource_url,
)
from calsync_core.providers.caldav.wire import (
    CALDAV,
    DAV,
    build_multiget,
    build_propfind,
    build_sync,
    parse_multistatus,
    parse_preconditions,
)
from scripted_server import multistatus, prop, refusal, response

ETAG = f"{{{DAV}}}getetag"
KEYS = st.text("0123456789abcdefghijklmnopqrstuv", min_size=1, max_size=40)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).filter(
    lambda name: name not in {".", ".."}
)
XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"]))


def parsed(reply: object) -> bytes:
    body = getattr(reply, "body")  # noqa: B009  (replies have no type in common)
    return body.encode() if isinstance(body, str) else bytes(body)


# Names


@given(name=NAMES)
def test_a_key_survives_its_url(name: str) -> None:
    """Whatever a resource is called, slashes included, and on whichever host it is (I-38 moves hosts, not names)."""
    assert key_of(resource_url("https://p42-caldav.icloud.com/1/work/", name)) == name
    assert key_of(quote(f"/x/{quote(name, safe='')}", safe="/%")) == name
    assert not is_collection(resource_url("/1/work/", name), "https://host/1/work/") or not name.strip("/")


@given(key=KEYS, generation=st.integers(0, 999_999_999))
def test_block_names_are_injective(key: str, generation: int) -> None:  # I-06
    assert parse_block_name(block_id(key, generation)) == (key, generation)
    assert parse_block_uid(block_uid(key, generation)) == (key, generation)


@pytest.mark.parametrize(
    "name", ["calsync-.ics", "calsync-ab.ics", "calsync-AB-0.ics", "xcalsync-ab-0.ics", "calsync-ab-0.ics.bak", "a.ics"]
)
def test_what_only_looks_like_a_block_name_is_none(name: str) -> None:  # I-02
    assert parse_block_name(name) is None
    assert parse_block_uid(name.removesuffix(".ics").removesuffix(".bak") + "x") is None


@given(key=KEYS, generation=st.integers(0, 99), parts=st.lists(KEYS, min_size=3, max_size=3))
def test_tags_round_trip(key: str, generation: int, parts: list[str]) -> None:
    tag = Tag(*parts)
    assert parse_tag(build_tag(tag, key, generation)) == (tag, key, generation)


@pytest.mark.parametrize("text", ["", "v1", "v2;i=a;o=b;s=c;k=d;g=0", "v1;i=a;o=b;s=c;k=d", "v1;i=a;o=b;s=c;k=d;g=x"])
def test_a_tag_counts_only_whole(text: str) -> None:
    assert parse_tag(text) is None


@pytest.mark.parametrize(
    ("base", "href", "url"),
    [
        ("https://h/", "/a/b", "https://h/a/b/"),
        ("https://h:443/x/", "y/", "https://h/x/y/"),
        ("http://127.0.0.1:80/", "/%61%20b/", "http://127.0.0.1/a%20b/"),
        ("https://h/", "https://P42.Example.com:8443/A/", "https://p42.example.com:8443/A/"),
        ("http://[::1]:5232/", "/ana@example.com/", "http://[::1]:5232/ana@example.com/"),
    ],
)
def test_a_collection_has_one_spelling(base: str, href: str, url: str) -> None:
    assert collection_url(base, href) == url
    assert collection_url(url, "") == url


@pytest.mark.parametrize(
    ("given_tag", "sent"), [('"a"', '"a"'), ("a", '"a"'), ('W/"a"', 'W/"a"'), (" ", None), (None, None)]
)
def test_entity_tags_are_sent_quoted(given_tag: str | None, sent: str | None) -> None:
    assert quoted_etag(given_tag) == sent


# Bodies


@given(token=XML_TEXT)
def test_a_token_arrives_as_it_was(token: str) -> None:
    root = etree.fromstring(build_sync(token, data=True).encode())
    assert (root.findtext(f"{{{DAV}}}sync-token") or "").split() == token.split()
    assert root.find(f".//{{{CALDAV}}}calendar-data") is not None


def test_no_answer_is_ever_limited() -> None:
    """Xandikos loses what lies beyond a limit."""
    for body in (build_sync("", data=False), build_multiget(["/a"]), build_propfind(ETAG)):
        assert "limit" not in body


@given(names=st.lists(NAMES, min_size=1, max_size=20))
def test_a_multiget_asks_for_exactly_these(names: list[str]) -> None:
    paths = [urlsplit(resource_url("https://h/work/", name)).path for name in names]
    root = etree.fromstring(build_multiget(paths).encode())
    assert [key_of(node.text) for node in root.iterfind(f"{{{DAV}}}href")] == names


# Answers


def test_a_second_propstat_takes_nothing_back() -> None:
    """ICloud repeats what it lacks as empty elements under 404."""
    found = parse_multistatus(
        parsed(multistatus(prop("/a", '<getetag>"1"</getetag>', "<displayname/><getetag/>"), token=" t "))
    )
    assert [(entry.status, entry.etag) for entry in found.entries] == [(200, '"1"')]
    assert found.sync_token == "t"


def test_statuses_of_members() -> None:
    propstat = "<propstat><prop><getetag/></prop><status>HTTP/1.1 500 No</status></propstat>"
    lost = f"<response><href>/b</href>{propstat}</response>"
    two = "<response><href>/c</href><href>/d</href><status>HTTP/1.1 404 Gone</status></response>"
    found = parse_multistatus(parsed(multistatus(response("/a", etag='"1"'), lost, two, prop("/e", "", "<getetag/>"))))
    statuses = {entry.href: entry.status for entry in found.entries}
    assert statuses == {"/a": 200, "/b": 500, "/c": 404, "/d": 404, "/e": 200}


def test_prefixes_do_not_matter() -> None:
    body = b'<x:multistatus xmlns:x="DAV:"><x:response><x:href> /a </x:href></x:response></x:multistatus>'
    assert [entry.href for entry in parse_multistatus(body).entries] == ["/a"]


@given(body=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_unreadable_or_read(body: bytes) -> None:  # I-07
    with contextlib.suppress(UnreadableAnswer):
        parse_multistatus(body)
    assert isinstance(parse_preconditions(body), frozenset)


@given(cut=st.integers(0, 400))
def test_a_cut_answer_is_never_half_read(cut: int) -> None:  # I-07
    whole = parsed(multistatus(response("/a", etag='"1"'), response("/b", etag='"2"'), token="t"))
    with pytest.raises(UnreadableAnswer):
        parse_multistatus(whole[: min(cut, len(whole) - 1)])


@pytest.mark.parametrize(
    "declaration", ["<!DOCTYPE m>", '<!DOCTYPE m [<!ENTITY a "b">]>', '<!DOCTYPE m SYSTEM "http://example.com/x.dtd">']
)
def test_document_types_are_refused(declaration: str) -> None:
    body = f'<?xml version="1.0"?>{declaration}<multistatus xmlns="DAV:"/>'
    with pytest.raises(UnreadableAnswer):
        parse_multistatus(body.encode())


def test_preconditions_are_named() -> None:
    assert parse_preconditions(parsed(refusal(403, "valid-sync-token"))) == {f"{{{DAV}}}valid-sync-token"}
    assert parse_preconditions(parsed(refusal(409, "C:no-uid-conflict"))) == {f"{{{CALDAV}}}no-uid-conflict"}
    assert parse_preconditions(b"<html><body>Forbidden</body></html>") == frozenset()
