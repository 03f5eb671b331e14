"""The CSS of the report page: light or dark as the system prefers, for phones and larger screens."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --ground: #f5f6f8; --sheet: #ffffff; --text: #1c2127; --quiet: #59626e; --line: #dfe3e8;
  --own: #17618f; --own-hover: #0f4f78; --own-text: #ffffff;
  --base: #c9d3dd; --base-hover: #b8c5d2; --base-text: #1c2127; --track: #e8ebef;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #121519; --sheet: #1b2026; --text: #e7eaee; --quiet: #9ba6b2; --line: #2d343c;
    --own: #4aa3d8; --own-hover: #6bb8e6; --own-text: #071019;
    --base: #3a4652; --base-hover: #485665; --base-text: #e7eaee; --track: #262d35;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, "Segoe UI", sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 1152px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 17px; margin: 0 0 12px; }
section { background: var(--sheet); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px; margin-top: 16px; }
code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
.quiet, .quiet code { color: var(--quiet); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; margin: 20px 0 0; }
.facts div { background: var(--sheet); border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px; }
.facts dt { color: var(--quiet); font-size: 13px; }
.facts dd { margin: 0; font-size: 20px; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: auto; }
svg.tall { display: none; }
.tile rect { fill: var(--base); }
.tile text { fill: var(--base-text); font: 12px system-ui, "Segoe UI", sans-serif; pointer-events: none; }
.tile .note { opacity: .75; font-size: 11px; }
.tile.own rect { fill: var(--own); }
.tile.own text { fill: var(--own-text); }
a:hover .tile rect, a:focus .tile rect { fill: var(--base-hover); }
a:hover .tile.own rect, a:focus .tile.own rect { fill: var(--own-hover); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0; list-style: none;
  font-size: 13px; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px;
  background: var(--base); vertical-align: -1px; }
.legend i.own { background: var(--own); }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-size: 13px; font-weight: 600; color: var(--quiet); }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
th:last-child, td:last-child { padding-right: 0; }
th.amount, td.amount { padding-right: 28px; }
th.amount:last-child, td.amount:last-child { padding-right: 0; }
td > details { margin-top: 0; }
td > details > summary { color: inherit; }
td.name { min-width: 9em; }
.clip { max-width: 16em; max-height: 6em; overflow: hidden auto; }
.amount { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tr:target td { background: var(--track); }
.bar { height: 6px; border-radius: 3px; background: var(--track); margin-top: 5px; }
.bar i { display: block; height: 6px; border-radius: 3px; background: var(--base-hover); min-width: 2px; }
.bar i.own { background: var(--own); }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--quiet); }
@media (max-width: 760px) {
  main { padding: 16px 12px 32px; }
  section { padding: 14px 12px; }
  .facts { grid-template-columns: 1fr 1fr; gap: 8px; }
  .facts div:last-child:nth-child(odd) { grid-column: 1 / -1; }
  svg.wide { display: none; }
  svg.tall { display: block; }
  thead { display: none; }
  table, tbody { display: block; }
  tr { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 12px; padding: 8px 0;
    border-bottom: 1px solid var(--line); }
  tr:last-child { border-bottom: 0; }
  td, td.amount { border: 0; padding: 0; min-width: 0; }
  td.rest { grid-column: 1 / -1; font-size: 13px; color: var(--quiet); }
  .clip { max-width: none; }
  td.rest[data-label] .clip { display: inline-block; vertical-align: top; }
  td.rest:empty { display: none; }
  td.rest[data-label]::before { content: attr(data-label) " "; }
}
"""
