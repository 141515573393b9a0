"""Plain pages: no script, no picture, nothing from elsewhere; light or dark as the person likes; readable aloud."""

from __future__ import annotations

from calsync_core.web.connect.pages import (
    AccountLine,
    CalendarLine,
    CalendarsPage,
    HomePage,
    Offer,
    Page,
    ProblemPage,
    StartPage,
)
from calsync_core.web.markup import Content, Markup, document, element, hash_of

__all__ = ["DefaultPages"]

_STYLE = """
:root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--text:#1b1f24;--soft:#59636e;--line:#d1d9e0;--act:#0b57d0;
--on-act:#fff;--warn:#fff4e5;--warn-line:#b95000}
@media (prefers-color-scheme:dark){:root{--back:#111418;--card:#1a1f25;--text:#e6e9ed;--soft:#9aa5b1;--line:#39424c;
--act:#8ab4f8;--on-act:#0b1a33;--warn:#33240f;--warn-line:#f0a04b}}
*{box-sizing:border-box}
body{margin:0;padding:2rem 1rem 4rem;background:var(--back);color:var(--text);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:36rem;margin:0 auto}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem}
h2{font-size:1.05rem;margin:2rem 0 .5rem}
p{margin:.5rem 0}
a{color:var(--act)}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.25rem;margin:.75rem 0}
ul.card{list-style:none;padding:0 1.25rem}
ul.card>li{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;justify-content:space-between;
padding:.7rem 0}
ul.card>li+li{border-top:1px solid var(--line)}
.soft{color:var(--soft);font-size:.9rem}
.name{overflow-wrap:anywhere;font-weight:600}
.warn{background:var(--warn);border-left:.3rem solid var(--warn-line);padding:.6rem .9rem;border-radius:.3rem}
.links{display:flex;gap:1rem}
label.field{display:block;margin:.9rem 0 .25rem;font-weight:600}
input[type=text],input[type=password],input[type=url]{width:100%;padding:.55rem .7rem;font:inherit;color:inherit;
background:var(--back);border:1px solid var(--soft);border-radius:.4rem}
.box{display:flex;gap:.6rem;align-items:flex-start;margin:.5rem 0}
input[type=checkbox]{width:1.15rem;height:1.15rem;margin:.2rem 0 0;flex:none;accent-color:var(--act)}
fieldset{border:1px solid var(--line);border-radius:.6rem;background:var(--card);margin:.75rem 0;
padding:.5rem 1.25rem .75rem}
legend{font-weight:600;padding:0 .4rem;overflow-wrap:anywhere}
button,.button{display:inline-block;margin:1rem 0 0;padding:.6rem 1.2rem;font:inherit;font-weight:600;border:0;
border-radius:.4rem;background:var(--act);color:var(--on-act);text-decoration:none;cursor:pointer}
:focus-visible{outline:.2rem solid var(--act);outline-offset:.15rem}
"""


class DefaultPages:
    """What is shown unless the host brings pages of its own. Subclass it to change some."""

    # No form-action: browsers hold redirects after a form to it, and providers send people on to hosts of their own.
    security_policy = f"default-src 'none'; style-src {hash_of(_STYLE)}; base-uri 'none'; frame-ancestors 'none'"

    def home(self, page: HomePage) -> str:
        """What is connected, and what can be."""
        connected: Content = None
        if page.accounts:
            connected = (
                element("h2", "Connected"),
                element("ul", map(_account, page.accounts), class_="card"),
            )
        offers = [_offer(offer) for offer in page.offers] or element("li", "There is nothing to connect here.")
        return _page(
            "Your calendars", connected, element("h2", "Connect an account"), element("ul", offers, class_="card")
        )

    def start(self, page: StartPage) -> str:
        """A button, or a form for a password."""
        offer, account = page.offer, page.account
        button = "Connect" if offer.takes_password else f"Continue to {offer.title}"
        form = element(
            "form",
            _hidden("token", page.token or ""),
            None if account is None else _hidden("account", str(account.id)),
            _password_fields(page) if offer.takes_password else _READ_ONLY,
            element("button", button),
            class_="card",
            method="post",
            action=offer.href,
        )
        intro = page.hint or ("" if offer.takes_password else _START)
        return _page(
            f"{'Connect again' if account else 'Connect'}: {offer.title}",
            None if account is None else element("p", "To connect again: ", _named(account.name)),
            _warning(page.problem),
            element("p", intro) if intro else None,
            form,
            _back(page),
        )

    def calendars(self, page: CalendarsPage) -> str:
        """Two boxes for each calendar."""
        intro = (
            element("p", _named(page.account.name), " ", _soft(page.account.provider)),
            element("p", _WHICH),
            _warning(_PAUSED if page.account.paused else None),
        )
        if not page.calendars:
            nothing = element("p", "There are no calendars in this account.")
            return _page("Choose calendars", intro, nothing, _back(page))
        form = element(
            "form",
            _hidden("token", page.token or ""),
            _hidden("shown", ",".join(str(line.id) for line in page.calendars)),
            map(_calendar, page.calendars),
            element("button", "Save"),
            method="post",
            action=page.action,
        )
        return _page("Choose calendars", intro, form, _back(page))

    def problem(self, page: ProblemPage) -> str:
        """A sentence or two, and a way on."""
        missing = [element("li", each) for each in page.missing]
        return _page(
            "That did not work",
            _warning(page.text),
            (element("p", "The application may not yet:"), element("ul", missing)) if missing else None,
            element("a", "Try again", class_="button", href=page.again) if page.again else None,
            _back(page) if page.again != page.home else None,
        )


_START = (
    "You will be asked there whether this application may see your calendars, and write to them when you are busy "
    "elsewhere. Come back in this browser, within ten minutes."
)
_WHICH = (
    "Which calendars take part? In another calendar, an event shows as busy time and says nothing else, unless you "
    "were told otherwise."
)
_PAUSED = (
    "This account is paused: nothing is read or written with it for now, whatever you choose here. Whoever runs this "
    "application can have it go on."
)


def _page(title: str, *body: Content) -> str:
    return document(title, _STYLE, element("main", element("h1", title), *body))


def _named(text: str) -> Markup:
    return element("span", text, class_="name")


def _soft(text: str) -> Markup:
    return element("span", text, class_="soft")


def _account(line: AccountLine) -> Markup:
    return element(
        "li",
        element("span", _named(line.name), " ", _soft(line.provider)),
        element(
            "span",
            _link(line.calendars, "Calendars", line.name),
            None if line.reconnect is None else _link(line.reconnect, "Connect again", line.name),
            class_="links",
        ),
        element("span", "No longer connected: connect it again.", class_="warn") if line.broken else None,
        _soft("Paused: nothing is read or written with it for now.") if line.paused else None,
    )


def _link(href: str, words: str, whose: str) -> Markup:
    """A link that is read aloud with what it is about."""
    return element("a", words, href=href, aria_label=f"{words}: {whose}")


def _offer(offer: Offer) -> Markup:
    return element("li", element("a", offer.title, href=offer.href))


def _password_fields(page: StartPage) -> Content:
    with_address = page.offer.takes_address and page.account is None
    return (
        _field("Address of the server", "address", page.address, type="url", placeholder="https://")
        if with_address
        else None,
        _field("User name", "username", page.username, type="text", autocomplete="username"),
        _field("Password, or app password", "password", "", type="password", autocomplete="off"),
    )


def _field(label: str, name: str, value: str, **more: str) -> Content:
    return (
        element("label", label, class_="field", for_=name),
        element(
            "input", id=name, name=name, value=value, required=True, spellcheck="false", autocapitalize="none", **more
        ),
    )


def _calendar(line: CalendarLine) -> Markup:
    receive = _box(f"receive-{line.id}", "Show in it when I am busy in my other calendars", ticked=line.receive)
    if not line.writable:
        receive = element("p", "Nothing can be shown in it: this login may only read it.", class_="soft")
    return element(
        "fieldset",
        element("legend", line.name, (" ", _soft("(main calendar)")) if line.primary else None),
        _warning(line.problem),
        _box(f"publish-{line.id}", "Its events make me busy in my other calendars", ticked=line.publish),
        receive,
    )


def _box(name: str, label: str, *, ticked: bool = False) -> Markup:
    box = element("input", type="checkbox", name=name, value="yes", checked=ticked)
    return element("label", box, element("span", label), class_="box")


_READ_ONLY = _box(
    "read_only",
    "Only read my events. They make me busy in my other calendars, and nothing is written to this account.",
)


def _warning(text: str | None) -> Markup | None:
    return None if text is None else element("p", text, class_="warn", role="alert")


def _hidden(name: str, value: str) -> Markup:
    return element("input", type="hidden", name=name, value=value)


def _back(page: Page) -> Markup:
    return element("p", element("a", "Back to your calendars", href=page.home))
