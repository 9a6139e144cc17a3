#include "lckv/report/page_parts.h"

namespace lckv::report {

// Colours of runs: Okabe and Ito 2008, made for all kinds of colour vision; lighter in the dark.
const char* const kPageStyle = R"css(
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1a1c1f; --muted: #63686f; --rule: #d9dce0; --grid: #e8eaed;
  --panel: #f5f6f7; --tip: #ffffffee; --link: #0b5cad;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b8578f; --c4: #c98a00; --c5: #3d9bd6; --c6: #5a5f66;
  --l0: 30%; --l1: 17%; --lx: 42%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #141618; --ink: #e4e6e9; --muted: #9aa0a7; --rule: #373b40; --grid: #292c30;
    --panel: #1d2023; --tip: #202327f2; --link: #7db8f0;
    --c0: #4fa8e0; --c1: #f58442; --c2: #34c79b; --c3: #e392c2; --c4: #f0b432; --c5: #9ad4f7; --c6: #b4b9bf;
    --l0: 58%; --l1: 18%; --lx: 66%;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 64px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; font-weight: 650; }
h2 { font-size: 1.15rem; margin: 0 0 12px; font-weight: 650; }
h3 { font-size: 1rem; margin: 20px 0 6px; font-weight: 600; overflow-wrap: anywhere; }
p { margin: 0 0 10px; max-width: 44rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
code, pre { font: 0.86em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { overflow-wrap: anywhere; }
pre { margin: 0; padding: 10px 12px; background: var(--panel); border-radius: 6px; }
section { margin-top: 26px; padding-top: 22px; border-top: 1px solid var(--rule); scroll-margin-top: 8px; }
.made, .note, .detail, .ylabel, .xlabel, .notes, .missing { color: var(--muted); }
.made { margin-bottom: 12px; }
.note { font-size: 0.84rem; line-height: 1.4; margin: 4px 0 0; }
ul { margin: 0 0 10px; padding-left: 1.2em; }
ul.runs { list-style: none; padding: 0; }
ul.runs li { margin: 3px 0; overflow-wrap: anywhere; }
ul.runs code { color: var(--muted); margin-left: 6px; }
ul.notes, ul.missing { font-size: 0.9rem; }
.notes li, .missing li { overflow-wrap: anywhere; }
nav { margin-top: 14px; font-size: 0.92rem; display: flex; flex-wrap: wrap; gap: 2px 18px; }
.disc {
  display: inline-block; width: 0.62em; height: 0.62em; border-radius: 50%; background: var(--c);
  margin-right: 0.5em; flex: none; print-color-adjust: exact; -webkit-print-color-adjust: exact;
}

/* tables */
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
th, td { padding: 5px 18px 5px 0; text-align: left; vertical-align: baseline; }
thead th { font-weight: 600; border-bottom: 1px solid var(--ink); white-space: nowrap; vertical-align: bottom; }
tbody th { font-weight: 400; position: sticky; left: 0; background: var(--paper); min-width: 9.5em; max-width: 17em; }
thead th:first-child { position: sticky; left: 0; background: var(--paper); }
tbody tr { border-bottom: 1px solid var(--grid); }
tr.total > * { border-top: 1px solid var(--muted); }
.swatch .faint { opacity: 0.6; }

td { white-space: nowrap; }
.detail { font-size: 0.86em; margin-left: 0.35em; }
.bar {
  display: block; height: 4px; width: max(1px, var(--w)); background: var(--c); margin-top: 4px; border-radius: 1px;
  print-color-adjust: exact; -webkit-print-color-adjust: exact;
}
table:has(.bar) td { min-width: 11em; }
table.text td, table.text th[scope=row] { font: 0.86rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
table.text td { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 9em; max-width: 26em; }
table.events { width: 100%; }
td.number { text-align: right; }
table.events th:first-child { position: static; text-align: right; }
td.message { white-space: normal; min-width: 15em; overflow-wrap: anywhere; width: 100%; }
.kind { font-weight: 600; }
.kind.spike, .kind.skipped, .kind.warning { color: var(--c4); }
.kind.diverged, .kind.failed, .kind.save_failed { color: var(--c1); }
.plan .lckv-plan { max-width: none; display: block; margin-left: -12px; }
.plan .lckv-plan-paper { fill: none; }
.plans h3 { margin-top: 0; }
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--link); margin-bottom: 6px; }

/* charts */
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 26px 36px; }
.pair > *, figure { min-width: 0; }
.scroll + .pair { margin-top: 20px; }
.pair + .scroll { margin-top: 16px; }
figure { margin: 0; }
figcaption { font-weight: 600; margin-bottom: 4px; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 4px; margin: 0 0 6px -6px; font-size: 0.86rem; }
.legend .gap { width: 12px; }
.key {
  font: inherit; color: inherit; background: none; border: 0; border-radius: 5px; padding: 3px 6px; cursor: pointer;
  display: inline-flex; align-items: center; gap: 6px; text-align: left; max-width: 100%;
}
.key span { overflow-wrap: anywhere; min-width: 0; }
.key:hover { background: var(--panel); }
.key:focus-visible, .frame:focus-visible, .scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
.key[aria-pressed=false] { color: var(--muted); text-decoration: line-through; }
.key[aria-pressed=false] .swatch { opacity: 0.25; }
.swatch { width: 26px; height: 10px; flex: none; }
.plot {
  display: grid; grid-template-columns: 3.6em minmax(0, 1fr); font-size: 0.8rem; padding-right: 14px;
  font-variant-numeric: tabular-nums;
}
.ylabel { grid-column: 1 / -1; padding: 0 0 6px; }
.frame { position: relative; height: 270px; border: solid var(--muted); border-width: 0 0 1px 1px; touch-action: pan-y; cursor: crosshair; }
.frame > svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: hidden; display: block; }
.yticks { position: relative; }
.yticks span { position: absolute; right: 7px; transform: translateY(50%); line-height: 1; white-space: nowrap; color: var(--muted); }
.xticks { grid-column: 2; position: relative; height: 1.5em; }
.xticks span { position: absolute; top: 5px; transform: translateX(-50%); line-height: 1; white-space: nowrap; color: var(--muted); }
.xlabel { grid-column: 2; text-align: center; }
sup { font-size: 0.75em; line-height: 0; }
.frame path, .swatch path { fill: none; vector-effect: non-scaling-stroke; }
.grid { stroke: var(--grid); stroke-width: 1; }
.line { stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.faint { stroke-width: 1; opacity: 0.38; }
.dashed { stroke-dasharray: 5 4; }
.dot { stroke: var(--c); stroke-width: 6; stroke-linecap: round; }
.mark { stroke: var(--ink); stroke-width: 7; stroke-linecap: square; }
.cursor { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--muted); pointer-events: none; }
.spot {
  position: absolute; width: 9px; height: 9px; margin: -5px 0 0 -4.5px; border-radius: 50%; background: var(--c);
  border: 1.5px solid var(--paper); pointer-events: none;
}
.tip {
  position: absolute; top: 4px; z-index: 2; pointer-events: none; background: var(--tip); border: 1px solid var(--rule);
  border-radius: 6px; padding: 6px 9px; font-size: 0.78rem; line-height: 1.45; max-width: min(20em, 85%);
  box-shadow: 0 2px 8px #0000001f;
}
.tip b { display: block; font-weight: 600; }
.tip div { display: flex; align-items: baseline; gap: 4px; }
.tip div span { min-width: 0; overflow-wrap: anywhere; }
.tip div .value { margin-left: auto; padding-left: 10px; white-space: nowrap; font-weight: 600; }
[hidden] { display: none !important; }

@media (max-width: 520px) {
  main { padding: 18px 14px 48px; }
  .frame { height: 230px; }
  th, td { padding-right: 14px; }
  tbody th { min-width: 8em; max-width: 10.5em; }
}
@media print {
  :root {
    --paper: #ffffff; --ink: #000000; --muted: #555555; --rule: #cccccc; --grid: #e6e6e6; --panel: #f5f5f5; --link: #000000;
    --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b8578f; --c4: #c98a00; --c5: #3d9bd6; --c6: #5a5f66;
    --l0: 30%; --l1: 17%; --lx: 42%;
  }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  nav, .cursor, .spot, .tip, details { display: none !important; }
  .pair { grid-template-columns: 1fr 1fr; gap: 16px 24px; }
  .frame { height: 190px; }
  figure, tr, h2, h3, pre { break-inside: avoid; }
  h2, h3, figcaption { break-after: avoid; }
  .scroll { overflow: visible; }
  .plan .lckv-plan { max-width: 100%; break-inside: avoid; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
}
)css";

}  // namespace lckv::report
