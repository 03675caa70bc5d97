"""The page: one HTML file with everything in it, which needs no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import vl_convert

from synthesight import __version__
from synthesight.report.tables import escape, to_html

if TYPE_CHECKING:
    from synthesight.report.section import Section

LONG = 12  # rows; a longer table is folded
PRINTED = 40  # rows; a longer table stays folded on paper
HUGE = 500  # rows; of a longer table there are the files only

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; margin: 0 auto; padding: 1.5rem;
  max-width: 62rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .3rem; }
p { max-width: 46rem; margin: .3rem 0 .8rem; }
.quiet, figcaption { color: #595959; font-size: .85rem; }
figure { margin: 1rem 0; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; } figure.large svg { max-width: none; }
.table { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .18rem .42rem; border-bottom: 1px solid #ddd; white-space: nowrap; }
th { border-bottom: 2px solid #888; font-weight: 600; white-space: normal;
  vertical-align: bottom; }
.number { text-align: right; } .text { text-align: left; }
summary { cursor: pointer; font-size: .9rem; margin: .5rem 0; }
fieldset { border: 1px solid #ccc; border-radius: 6px; font-size: .9rem; position: sticky; top: 0;
  background: #fff; z-index: 2; max-height: 7.5rem; overflow-y: auto; }
fieldset label { margin-right: 1rem; white-space: nowrap; }
fieldset button { font: inherit; margin-right: .5rem; }
.many { display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: end; }
@media (max-width: 40rem) { body { padding: 1rem; } }
@media print {
  @page { margin: 15mm; }
  fieldset, .screen { display: none; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h2 + p { break-after: avoid; } p { break-inside: avoid; }
  figure, tr, table { break-inside: avoid; } details table { break-inside: auto; }
  figure, .table { overflow: visible; }
  figure svg, figure.large svg { max-width: 100%; max-height: 200mm; height: auto; }
  thead { display: table-header-group; } summary { list-style: none; }
  th, td { padding: .18rem .4rem; } table { font-size: 8pt; }
  .many { display: block; } .many figure { display: inline-block; vertical-align: bottom;
    margin-right: 3mm; max-width: 100%; }
  a { color: inherit; text-decoration: none; }
}
"""

SCRIPT = """
const boxes = [...document.querySelectorAll("#observers input")];
const views = [];
const narrow = document.documentElement.clientWidth < 600;
const picked = () => boxes.filter((box) => box.checked).map((box) => box.value);
const show = () => Promise.all(views.map((view) => view.signal("picked", picked()).runAsync()));
const draw = (figure) => {
  const spec = JSON.parse(document.getElementById(figure.dataset.spec).textContent);
  if (spec.columns && narrow) spec.columns = 1;
  const place = figure.querySelector("div");
  return vegaEmbed(place, spec, { renderer: "svg", actions: false }).then((result) => {
    const own = Number(place.querySelector("svg").getAttribute("width"));
    figure.classList.toggle("large", own > 1.6 * document.body.clientWidth);
    if (!("picked" in (result.view.getState().signals || {}))) return;
    views.push(result.view);
    if (picked().length < boxes.length) result.view.signal("picked", picked()).runAsync();
  });
};
for (const figure of document.querySelectorAll("figure[data-spec]")) {
  const folded = figure.closest("details:not([open])");
  if (!folded) draw(figure);
  else folded.addEventListener("toggle", () => draw(figure), { once: true });
}
for (const box of boxes) box.addEventListener("change", show);
for (const button of document.querySelectorAll("#observers button")) {
  button.addEventListener("click", () => {
    for (const box of boxes) box.checked = button.value === "all";
    show();
  });
}
// On paper nothing can be unfolded: tables of up to a page are printed.
const folds = [...document.querySelectorAll("details.printed")];
window.addEventListener("beforeprint", () => {
  for (const fold of folds) { fold.dataset.was = fold.open; fold.open = true; }
});
window.addEventListener("afterprint", () => {
  for (const fold of folds) fold.open = fold.dataset.was === "true";
});
"""


def write_page(
    sections: Sequence[Section],
    specs: Mapping[str, dict[str, Any]],
    observers: Sequence[str],
    path: Path,
) -> Path:
    """Write the page.

    Parameters
    ----------
    sections
        In the order shown.
    specs
        Their figures as Vega-Lite has them, by file name.
    observers
        Those to pick from.
    path
        Of the page; figures and tables are linked to beside it.
    """
    body = "\n".join(_section(section, specs) for section in sections)
    boxes = "".join(
        f'<label><input type="checkbox" checked value="{escape(name)}"> {escape(name)}</label> '
        for name in observers
    )
    buttons = "".join(
        f'<button type="button" value="{which}">{which}</button>' for which in ("all", "none")
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
<p class="quiet">Synthesight {__version__}.<span class="screen"> Point at a mark for its observer,
value, interval and number of trials.</span></p>
<fieldset id="observers"><legend>Show in figures</legend>{buttons}{boxes}</fieldset>
{body}
<script>{libraries}</script>
<script>{SCRIPT}</script>
</body>
</html>
""",
        encoding="utf-8",
    )
    return path


def _section(section: Section, specs: Mapping[str, dict[str, Any]]) -> str:
    return (
        f'<section id="{section.name}"><h2>{escape(section.title)}</h2>'
        f"<p>{escape(section.text)}</p>{_figures(section, specs)}"
        f"{''.join(_table(name, table) for name, table in section.tables.items())}</section>"
    )


def _figures(section: Section, specs: Mapping[str, dict[str, Any]]) -> str:
    figures = "".join(
        f'<figure data-spec="spec-{name}"><div></div><figcaption>{_links("figures", name, FIGURES)}'
        f'</figcaption></figure><script type="application/json" id="spec-{name}">'
        f"{_safe(json.dumps(specs[name]))}</script>"
        for name in section.figures
    )
    if len(section.figures) > 3:
        figures = f'<div class="many">{figures}</div>'
    if section.folded:
        title = f"{section.title}, {len(section.figures)} figures"
        figures = f"<details><summary>{escape(title)}</summary>{figures}</details>"
    return figures


def _table(name: str, table: pl.DataFrame) -> str:
    files = f'<p class="quiet screen">{_links("tables", name, TABLES)}</p>'
    if len(table) > HUGE:
        return files.replace("</p>", f" ({len(table)} rows)</p>")
    text = f'<div class="table">{to_html(table)}</div>'
    if len(table) > LONG:
        title = f"{name.replace('-', ' ')}, {len(table)} rows"
        printed = ' class="printed"' if len(table) <= PRINTED else ""
        text = f"<details{printed}><summary>{escape(title)}</summary>{text}</details>"
    return text + files


FIGURES = (".svg", ".pdf", ".png")
TABLES = (".csv", ".md", ".tex")


def _links(folder: str, name: str, suffixes: Sequence[str]) -> str:
    files = (f'<a href="{folder}/{name}{suffix}">{suffix[1:]}</a>' for suffix in suffixes)
    return f'{escape(name.replace("-", " "))}<span class="screen">: {", ".join(files)}</span>'


def _safe(text: str) -> str:
    """JSON inside a script element: nothing in it may end the element."""
    return text.replace("</", "<\\/")
