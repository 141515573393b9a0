"""How the status page looks, light and dark: colours as values, since a test computes their contrast."""

from __future__ import annotations

from collections.abc import Mapping

from calsync_core.web.markup import hash_of

__all__ = ["DARK", "LIGHT", "POLICY", "STYLE"]

LIGHT: Mapping[str, str] = {
    "page": "#f4f6f8",
    "card": "#ffffff",
    "text": "#1b1f24",
    "soft": "#525c66",
    "line": "#d5dbe1",
    "link": "#0b57d0",
    "good": "#1a6b34",
    "warn": "#8a4b00",
    "bad": "#b3122b",
    "reads": "#2f6fd6",
    "writes": "#b8500f",
    "rest": "#78838e",
}
DARK: Mapping[str, str] = {
    "page": "#0f1419",
    "card": "#182029",
    "text": "#e6ebf0",
    "soft": "#a3afba",
    "line": "#323d48",
    "link": "#8ab8ff",
    "good": "#5fd08a",
    "warn": "#f2b55c",
    "bad": "#ff9494",
    "reads": "#6aa3f5",
    "writes": "#f29a5f",
    "rest": "#8593a0",
}


def _colours(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


_SHAPE = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:1rem/1.45 system-ui,sans-serif;
 overflow-wrap:anywhere}
header,main,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.25rem}
h1{font-size:1.1rem;margin:0;font-weight:600;color:var(--soft)}
h2{font-size:1.05rem;margin:0 0 .75rem}
p{margin:.25rem 0}
a{color:var(--link)}
.verdict{font-size:1.7rem;font-weight:650;margin:.1rem 0 .25rem}
.reasons{margin:0 0 .5rem;padding-left:1.2rem}
.soft,caption,.unit{color:var(--soft)}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem;margin:1rem 0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
.pair section{margin:0;min-width:0}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:1rem;margin:0}
dt{font-size:.85rem;color:var(--soft)}
dd{margin:0;font-variant-numeric:tabular-nums}
dd b{font-size:1.5rem;font-weight:600;display:block;line-height:1.25}
dd span{font-size:.85rem;color:var(--soft)}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;padding-bottom:.4rem;font-size:.9rem}
th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-top:1px solid var(--line);vertical-align:top}
thead th{overflow-wrap:normal;border-top:0;font-weight:600;font-size:.85rem;color:var(--soft);vertical-align:bottom}
tbody th{font-weight:600}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;padding-right:1.5rem}
td small,th small{display:block;color:var(--soft);font-size:.85rem;font-weight:400}
time,.state{white-space:nowrap}
nav{display:flex;gap:1.25rem;flex-wrap:wrap;padding-top:.75rem}
figure{margin:0}
figcaption{font-size:.9rem;color:var(--soft);padding-top:.4rem}
svg{display:block;width:100%}
.plot{height:8.5rem}.strip{height:1.1rem}
.axis{stroke:var(--line);vector-effect:non-scaling-stroke}
.hover{fill:var(--text);fill-opacity:0}g:hover>.hover{fill-opacity:.08}
.most,.ticks{font-size:.8rem;color:var(--soft)}
.most{display:block;padding-bottom:.15rem}
.ticks{display:flex;justify-content:space-between;padding-top:.2rem}
.each span{flex:1 1 0;text-align:center}
.f-reads{fill:var(--reads)}.f-writes{fill:var(--writes)}.f-rest{fill:var(--rest)}
.k-reads{background:var(--reads)}.k-writes{background:var(--writes)}.k-rest{background:var(--rest)}
.k-good{background:var(--good)}.k-warn{background:var(--warn)}.k-bad{background:var(--bad)}
.f-good{fill:var(--good)}.f-warn{fill:var(--warn)}.f-bad{fill:var(--bad)}
.key{display:inline-block;width:.8rem;height:.8rem;margin-right:.35rem;vertical-align:-.06rem}
.legend{display:flex;gap:.25rem 1.25rem;flex-wrap:wrap;margin:.5rem 0 0;padding:0;list-style:none;font-size:.9rem}
details{margin-top:.6rem;font-size:.92rem}
summary{cursor:pointer;color:var(--link)}
footer{padding-bottom:2rem;font-size:.9rem;color:var(--soft)}
@media (max-width:46rem){
 .cards thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
 .cards,.cards caption,.cards tbody,.cards th,.cards td{display:block}
 .cards tr{display:grid;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));gap:.2rem .75rem;padding:.6rem 0;
  border-top:1px solid var(--line)}
 .cards th{grid-column:1/-1;font-size:1rem}
 .cards th,.cards td{border:0;padding:0;text-align:left}
 .cards td::before{content:attr(data-label);color:var(--soft);font-size:.8rem}
 .cards td.none{display:none}
}
"""

STYLE = (
    f":root{{color-scheme:light dark;{_colours(LIGHT)}}}\n"
    f"@media (prefers-color-scheme:dark){{:root{{{_colours(DARK)}}}}}{_SHAPE}"
)

POLICY = (
    f"default-src 'none'; style-src {hash_of(STYLE)}; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""``Content-Security-Policy``: this style, the icon, and nothing from anywhere."""
