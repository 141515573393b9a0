"""What the pages show: text as text, values for a host's own pages, JSON for its own frontend."""

from __future__ import annotations

import base64
import hashlib

from calsync_core.testing.fixtures import ANA_AT_GOOGLE
from calsync_core.web.connect import DefaultPages, ProblemPage
from connect_bench import Host

NASTY = '<script>alert("1")</script>&\'"'


def test_what_others_wrote_is_text_on_our_pages(host: Host) -> None:
    host.google.add_calendar(ANA_AT_GOOGLE, NASTY)
    browser = host.begun()
    browser.consent(ANA_AT_GOOGLE)
    assert "&lt;script&gt;" in browser.text
    assert "<script" not in browser.text
    browser.open("/caldav")
    browser.submit(username=NASTY, password="x", address=NASTY)
    assert browser.forms[0].fields["username"] == NASTY
    assert "<script" not in browser.text


def test_the_style_is_the_one_that_is_allowed(host: Host) -> None:
    """Otherwise browsers show the page bare."""
    page = host.browser().open("/")
    style = page.text.partition("<style>")[2].partition("</style>")[0]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in page.headers["content-security-policy"]


def test_a_host_s_own_pages_get_values(host: Host) -> None:
    class Mine(DefaultPages):
        security_policy = "default-src 'self'"

        def problem(self, page: ProblemPage) -> str:
            return f"{page.problem}|{page.status}|{','.join(page.missing)}|{page.again}"

    browser = host.browser(pages=Mine())
    host.begun(browser=browser)
    browser.consent(ANA_AT_GOOGLE, untick=["calendar.events"])
    assert browser.text == "scopes|403|see your events|/google"
    assert browser.response.headers["content-security-policy"] == "default-src 'self'"


def test_a_frontend_of_the_host_s_own_speaks_json(host: Host) -> None:
    client = host.browser()._client
    client.headers["Accept"] = "application/json"
    home = client.get("/").json()
    assert (home["page"], [offer["name"] for offer in home["offers"]]) == ("home", ["google", "microsoft", "caldav"])
    start = client.get("/google").json()
    sent = client.post("/google", data={"token": start["token"]})
    assert (sent.status_code, sent.json()["page"]) == (200, "redirect")
    page = sent.json()["location"]
    client.get(host.google.consent(page, ANA_AT_GOOGLE), headers={"Accept": "text/html"})
    [account] = client.get("/").json()["accounts"]
    assert (account["name"], account["broken"]) == (ANA_AT_GOOGLE, False)
    chosen = client.get(account["calendars"]).json()
    [calendar] = chosen["calendars"]
    assert (calendar["publish"], calendar["receive"], calendar["writable"]) == (True, True, True)
    done = client.post(
        chosen["action"], data={"token": chosen["token"], "shown": calendar["id"], f"publish-{calendar['id']}": "yes"}
    )
    assert done.json() == {"page": "redirect", "location": "/?done"}
    wrong = client.get("/nowhere")
    assert (wrong.status_code, wrong.json()["problem"]) == (404, "not_found")
