"""The page: one HTML file with everything in it, which needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import vl_convert

from synthesight import __version__
from synthesight.report.tables import escape, to_html

if TYPE_CHECKING:
    from synthesight.report.report import Section

LONG = 12  # rows; a longer table is folded

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; margin: 0 auto; padding: 1.5rem;
  max-width: 62rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .3rem; }
p { max-width: 46rem; margin: .3rem 0 .8rem; }
.quiet, figcaption { color: #595959; font-size: .85rem; }
figure { margin: 1rem 0; overflow-x: auto; } figure svg { max-width: none; }
.wide { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .18rem .6rem; border-bottom: 1px solid #ddd; white-space: nowrap; }
th { border-bottom: 2px solid #888; font-weight: 600; } .number { text-align: right; }
.text { text-align: left; } summary { cursor: pointer; font-size: .9rem; margin: .5rem 0; }
fieldset { border: 1px solid #ccc; border-radius: 6px; font-size: .9rem; position: sticky; top: 0;
  background: #fff; z-index: 2; max-height: 7.5rem; overflow-y: auto; }
fieldset label { margin-right: 1rem; white-space: nowrap; }
.matrices { display: flex; flex-wrap: wrap; gap: 0 1rem; }
@media print { fieldset { display: none; } body { max-width: none; padding: 0; font-size: 10.5pt; }
  h2 { break-after: avoid; } figure, tr { break-inside: avoid; }
  figure svg { max-width: 100%; height: auto; } }
"""

SCRIPT = """
const views = [];
const show = () => {
  const names = [...document.querySelectorAll("#observers input")]
    .filter((box) => box.checked).map((box) => box.value);
  for (const view of views) {
    if ("picked" in (view.getState().signals || {})) view.signal("picked", names).runAsync();
  }
};
for (const figure of document.querySelectorAll("figure[data-spec]")) {
  const spec = JSON.parse(document.getElementById(figure.dataset.spec).textContent);
  const place = figure.querySelector("div");
  vegaEmbed(place, spec, { renderer: "svg", actions: false })
    .then((result) => views.push(result.view));
}
for (const box of document.querySelectorAll("#observers input")) {
  box.addEventListener("change", show);
}
"""


def write_page(sections: Sequence[Section], observers: Sequence[str], path: Path) -> Path:
    """Write the page.

    Parameters
    ----------
    sections
        In the order shown.
    observers
        Those to pick from.
    path
        Of the page; figures and tables are linked to beside it.
    """
    body = "\n".join(_section(section) for section in sections)
    boxes = "".join(
        f'<label><input type="checkbox" checked value="{escape(name)}"> {escape(name)}</label> '
        for name in observers
    )
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    libraries = bundle.replace("</script", "<\\/script")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Synthesight report</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<h1>How human-like do they see?</h1>
<p class="quiet">Synthesight {__version__}. Point at a mark for its observer, value, interval and
number of trials.</p>
<fieldset id="observers"><legend>Show in accuracy and scatter figures</legend>{boxes}</fieldset>
{body}
<script>{libraries}</script>
<script>{SCRIPT}</script>
</body>
</html>
""",
        encoding="utf-8",
    )
    return path


def _section(section: Section) -> str:
    figures = "".join(
        f'<figure data-spec="spec-{name}"><div></div><figcaption>{_links("figures", name, FIGURES)}'
        f'</figcaption></figure><script type="application/json" id="spec-{name}">'
        f"{_safe(json.dumps(figure.to_dict()))}</script>"
        for name, figure in section.figures.items()
    )
    if len(section.figures) > 3:
        figures = f'<div class="matrices">{figures}</div>'
    tables = []
    for name, table in section.tables.items():
        text = f'<div class="wide">{to_html(table)}</div>'
        files = f'<p class="quiet">{_links("tables", name, TABLES)}</p>'
        if len(table) > LONG:
            title = f"{name.replace('-', ' ')}, {len(table)} rows"
            text = f"<details><summary>{escape(title)}</summary>{text}</details>"
        tables.append(text + files)
    return (
        f'<section id="{section.name}"><h2>{escape(section.title)}</h2>'
        f"<p>{escape(section.text)}</p>{figures}{''.join(tables)}</section>"
    )


FIGURES = (".svg", ".pdf", ".png")
TABLES = (".csv", ".md", ".tex")


def _links(folder: str, name: str, suffixes: Sequence[str]) -> str:
    files = (f'<a href="{folder}/{name}{suffix}">{suffix[1:]}</a>' for suffix in suffixes)
    return f"{escape(name.replace('-', ' '))}: {', '.join(files)}"


def _safe(text: str) -> str:
    """JSON inside a script element: nothing in it may end the element."""
    return text.replace("</", "<\\/")
