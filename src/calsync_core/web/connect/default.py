"""Plain pages: no script, no picture, nothing from elsewhere; light or dark as the person likes; readable aloud."""

from __future__ import annotations

import base64
import hashlib
from html import escape

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

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


class DefaultPages:
    """What is shown unless the host brings pages of its own. Subclass it to change some."""

    # No form-action: browsers hold redirects after a form to it, and providers send people on to hosts of their own.
    security_policy = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'"

    def home(self, page: HomePage) -> str:
        """What is connected, and what can be."""
        connected = ""
        if page.accounts:
            connected = f'<h2>Connected</h2><ul class="card">{"".join(map(_account, page.accounts))}</ul>'
        offers = "".join(map(_offer, page.offers)) or "<li>There is nothing to connect here.</li>"
        return _page("Your calendars", f'{connected}<h2>Connect an account</h2><ul class="card">{offers}</ul>')

    def start(self, page: StartPage) -> str:
        """A button, or a form for a password."""
        offer, account = page.offer, page.account
        who = "" if account is None else f'<p>To connect again: <span class="name">{escape(account.name)}</span></p>'
        hidden = _hidden("token", page.token or "") + ("" if account is None else _hidden("account", str(account.id)))
        fields = _password_fields(page) if offer.takes_password else _READ_ONLY
        button = "Connect" if offer.takes_password else f"Continue to {escape(offer.title)}"
        form = (
            f'<form class="card" method="post" action="{escape(offer.href)}">{hidden}{fields}'
            f"<button>{button}</button></form>"
        )
        title = f"{'Connect again' if account else 'Connect'}: {offer.title}"
        intro = f"<p>{escape(page.hint)}</p>" if page.hint else _START[offer.takes_password]
        return _page(title, f"{who}{_warning(page.problem)}{intro}{form}{_back(page)}")

    def calendars(self, page: CalendarsPage) -> str:
        """Two boxes for each calendar."""
        intro = (
            f'<p><span class="name">{escape(page.account.name)}</span> '
            f'<span class="soft">{escape(page.account.provider)}</span></p>'
            "<p>Which calendars take part? In another calendar, an event shows as busy time and says nothing else, "
            "unless you were told otherwise.</p>"
            f"{_warning(_PAUSED if page.account.paused else None)}"
        )
        boxes = "".join(map(_calendar, page.calendars))
        if not boxes:
            return _page("Choose calendars", f"{intro}<p>There are no calendars in this account.</p>{_back(page)}")
        form = (
            f'<form method="post" action="{escape(page.action)}">{_hidden("token", page.token or "")}'
            f"{_hidden('shown', ','.join(str(line.id) for line in page.calendars))}{boxes}"
            "<button>Save</button></form>"
        )
        return _page("Choose calendars", f"{intro}{form}{_back(page)}")

    def problem(self, page: ProblemPage) -> str:
        """A sentence or two, and a way on."""
        missing = "".join(f"<li>{escape(each)}</li>" for each in page.missing)
        listed = f"<p>The application may not yet:</p><ul>{missing}</ul>" if missing else ""
        again = f'<a class="button" href="{escape(page.again)}">Try again</a>' if page.again else ""
        back = _back(page) if page.again != page.home else ""
        return _page("That did not work", f"{_warning(page.text)}{listed}{again}{back}")


_READ_ONLY = (
    '<label class="box"><input type="checkbox" name="read_only" value="yes"><span>Only read my events. They make me '
    "busy in my other calendars, and nothing is written to this account.</span></label>"
)
_START = {
    False: "<p>You will be asked there whether this application may see your calendars, and write to them when you are "
    "busy elsewhere. Come back in this browser, within ten minutes.</p>",
    True: "",
}


_PAUSED = (
    "This account is paused: nothing is read or written with it for now, whatever you choose here. Whoever runs this "
    "application can have it go on."
)


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def _account(line: AccountLine) -> str:
    links = _link(line.calendars, "Calendars", line.name)
    if line.reconnect is not None:
        links += _link(line.reconnect, "Connect again", line.name)
    broken = '<span class="warn">No longer connected: connect it again.</span>' if line.broken else ""
    paused = '<span class="soft">Paused: nothing is read or written with it for now.</span>' if line.paused else ""
    name = f'<span class="name">{escape(line.name)}</span> <span class="soft">{escape(line.provider)}</span>'
    return f'<li><span>{name}</span><span class="links">{links}</span>{broken}{paused}</li>'


def _link(href: str, words: str, whose: str) -> str:
    """A link that is read aloud with what it is about."""
    return f'<a href="{escape(href)}" aria-label="{words}: {escape(whose)}">{words}</a>'


def _offer(offer: Offer) -> str:
    return f'<li><a href="{escape(offer.href)}">{escape(offer.title)}</a></li>'


def _password_fields(page: StartPage) -> str:
    fields = ""
    if page.offer.takes_address and page.account is None:
        fields += _field("Address of the server", "address", page.address, 'type="url" placeholder="https://"')
    fields += _field("User name", "username", page.username, 'type="text" autocomplete="username"')
    fields += _field("Password, or app password", "password", "", 'type="password" autocomplete="off"')
    return fields


def _field(label: str, name: str, value: str, more: str) -> str:
    return (
        f'<label class="field" for="{name}">{label}</label>'
        f'<input id="{name}" name="{name}" value="{escape(value)}" required spellcheck="false" '
        f'autocapitalize="none" {more}>'
    )


def _calendar(line: CalendarLine) -> str:
    primary = ' <span class="soft">(main calendar)</span>' if line.primary else ""
    receive = _box(f"receive-{line.id}", "Show in it when I am busy in my other calendars", ticked=line.receive)
    if not line.writable:
        receive = '<p class="soft">Nothing can be shown in it: this login may only read it.</p>'
    publish = _box(f"publish-{line.id}", "Its events make me busy in my other calendars", ticked=line.publish)
    return (
        f"<fieldset><legend>{escape(line.name)}{primary}</legend>{_warning(line.problem)}{publish}{receive}</fieldset>"
    )


def _box(name: str, label: str, *, ticked: bool) -> str:
    checked = " checked" if ticked else ""
    return f'<label class="box"><input type="checkbox" name="{name}" value="yes"{checked}><span>{label}</span></label>'


def _warning(text: str | None) -> str:
    return "" if text is None else f'<p class="warn" role="alert">{escape(text)}</p>'


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'


def _back(page: Page) -> str:
    return f'<p><a href="{escape(page.home)}">Back to your calendars</a></p>'
