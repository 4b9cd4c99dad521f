// The style sheet of the HTML report. All colours are variables, set once for light and once for dark.
#ifndef MATHNAS_REPORT_HTML_STYLE_H_
#define MATHNAS_REPORT_HTML_STYLE_H_

#include <string_view>

namespace mathnas::report {

inline constexpr std::string_view kStyle = R"css(
:root { color-scheme: light dark;
  --page: #ffffff; --panel: #f5f6f8; --ink: #1a2028; --soft: #566170; --line: #d8dde4; --grid: #e9ecf0;
  --predicted: #1c5fc7; --measured: #bf4700; --cloud: #6f8fc0; --front: #1a2028; --rule: #a3195b;
  --good: #17693a; --warn: #7f5600; --bad: #b3261e; --pool: #0f7474; --dead: #98a1ac;
  --better: 43 120 214; --worse: 232 122 34; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161b; --panel: #1a2027; --ink: #e5e9ee; --soft: #a1acb9; --line: #343d48; --grid: #252c35;
  --predicted: #82b3ff; --measured: #ff9f61; --cloud: #5f86c4; --front: #e5e9ee; --rule: #ff86bd;
  --good: #6bd093; --warn: #f1c35e; --bad: #ff8f85; --pool: #57c7c7; --dead: #6d7885;
  --better: 58 128 214; --worse: 205 102 26; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 36px 28px 60px; }
h1 { font-size: 27px; line-height: 1.2; margin: 0 0 6px; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 44px 0 4px; padding-top: 14px; border-top: 1px solid var(--line); font-weight: 650; }
h3 { font-size: 15px; margin: 0; font-weight: 650; }
p { margin: 4px 0 10px; }
.lead, .note { color: var(--soft); }
.note, small { font-size: 13px; }
.unit, .missing { color: var(--soft); }
code { font: 13.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(215px, 1fr)); gap: 12px; margin: 22px 0 8px; }
.tile { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 13px 16px; }
.tile h3 { color: var(--soft); font-size: 13px; font-weight: 500; }
.tile .big { font-size: 24px; line-height: 1.3; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile .big .missing { font-weight: 400; }
.tile p { margin: 0; font-size: 13px; color: var(--soft); }
.badge { display: inline-block; font-size: 12.5px; font-weight: 600; line-height: 1.3; padding: 1px 8px; border: 1px solid;
  border-radius: 9px; white-space: nowrap; }
.met { color: var(--good); } .median { color: var(--warn); } .missed { color: var(--bad); } .unknown { color: var(--soft); }
.notes { margin: 14px 0; padding: 10px 14px 10px 32px; background: var(--panel); border-left: 3px solid var(--warn); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 500; white-space: nowrap; }
th[scope=row] { font-weight: 500; }
table.wide { width: 100%; }
td.number { text-align: right; white-space: nowrap; } th.number { text-align: right; }
td.number .missing { white-space: normal; }
.settings th { color: var(--soft); font-weight: 400; white-space: nowrap; }
.settings td { overflow-wrap: anywhere; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 20px 36px;
  align-items: start; margin-top: 12px; }
.columns > * { min-width: 0; }
.drawing { grid-template-columns: minmax(0, 1.75fr) minmax(250px, 1fr); margin-top: 22px; }
@media (max-width: 760px) { .drawing { grid-template-columns: minmax(0, 1fr); } }
figure { margin: 0; }
svg.plot { display: block; width: 100%; height: auto; margin: 8px 0 4px; }
svg.cell { display: block; width: 100%; height: auto; margin: 10px auto; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--soft);
  font-variant-numeric: tabular-nums; }
svg .axis-label { font-size: 13px; fill: var(--ink); }
.grid { stroke: var(--grid); fill: none; } .axis { stroke: var(--soft); fill: none; }
.shade { fill: var(--rule); fill-opacity: .07; }
.rule { stroke: var(--rule); stroke-width: 1.5; stroke-dasharray: 6 4; fill: none; }
svg .rule-label { fill: var(--rule); font-weight: 600; paint-order: stroke; stroke: var(--page); stroke-width: 4px; }
.cloud { fill: var(--cloud); stroke: none; }
.front { fill: none; stroke: var(--front); stroke-width: 1.8; stroke-linejoin: round; }
.front-dot { fill: var(--front); }
.chosen-predicted { fill: var(--page); fill-opacity: .55; stroke: var(--predicted); stroke-width: 3; }
.chosen-measured { fill: var(--measured); stroke: var(--page); stroke-width: 1.5; }
.identity { stroke: var(--soft); stroke-dasharray: 5 4; fill: none; }
.audited { fill: var(--predicted); fill-opacity: .6; stroke: var(--page); stroke-width: .8; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.loss, .train { stroke: var(--predicted); } .validation { stroke: var(--measured); }
.curve-dot { stroke: none; } .curve-dot.loss, .curve-dot.train { fill: var(--predicted); }
.curve-dot.validation { fill: var(--measured); }
.legend { list-style: none; margin: 2px 0 6px; padding: 0; font-size: 13px; display: flex; flex-wrap: wrap; gap: 2px 22px; }
.swatch { width: 18px; height: 12px; margin-right: 7px; vertical-align: -1px; }
.node { fill: var(--panel); stroke: var(--ink); stroke-width: 1.6; }
svg .node-label { font-size: 14px; font-weight: 600; fill: var(--ink); }
.edge { fill: none; stroke-width: 2; } .head { stroke: none; }
.edge.conv { stroke: var(--predicted); stroke-width: 2.6; } .head.conv { fill: var(--predicted); }
.edge.pool { stroke: var(--pool); } .head.pool { fill: var(--pool); }
.edge.plain { stroke: var(--ink); stroke-width: 1.6; } .head.plain { fill: var(--ink); }
.edge.dead { stroke: var(--dead); stroke-width: 1.4; stroke-dasharray: 5 4; } .head.dead { fill: var(--dead); }
svg .edge-label { font-size: 13px; fill: var(--ink); paint-order: stroke; stroke: var(--page); stroke-width: 10px; stroke-linejoin: round; }
svg .edge-label.dead { fill: var(--soft); }
.layer { fill: var(--panel); stroke: var(--line); } .layer-size { fill: var(--cloud); fill-opacity: .3; }
svg.stacks { display: block; width: 100%; height: auto; margin: 10px auto; }
svg .layer-label { font-size: 13px; fill: var(--ink); } svg .stack-label { font-size: 14px; font-weight: 600; fill: var(--ink); }
.source { fill: none; stroke: var(--predicted); stroke-width: 1.6; stroke-opacity: .8; }
section > h3 { margin-top: 20px; }
section > .lead + h3, h2 + h3 { margin-top: 8px; }
details { margin: 12px 0 0; }
summary { cursor: pointer; padding: 4px 0; } summary h3 { display: inline; }
.blocks td { border: 2px solid var(--page); padding: 5px 10px; border-radius: 4px; min-width: 84px; background: var(--panel); }
.blocks thead th, .blocks th[scope=row] { border-bottom: 0; white-space: nowrap; padding-left: 2px; }
.blocks thead th { padding-left: 10px; }
.blocks td.better { background: rgb(var(--better) / var(--heat)); } .blocks td.worse { background: rgb(var(--worse) / var(--heat)); }
.blocks td.void { background: none; }
.blocks td.chosen { outline: 2px solid var(--ink); outline-offset: -3px; font-weight: 650; }
.blocks small { display: block; font-size: 11.5px; line-height: 1.3; font-weight: 400; white-space: nowrap; }
.mark { float: right; margin-left: 6px; font-size: 11px; line-height: 21px; font-style: normal; }
.nowrap { white-space: nowrap; }
.key { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin: 0 5px 0 12px; vertical-align: -1px; }
.key.better { background: rgb(var(--better) / .5); } .key.worse { background: rgb(var(--worse) / .5); }
.bar { height: 9px; min-width: 1px; background: var(--cloud); border-radius: 2px; }
td.bars { width: 46%; vertical-align: middle; }
@media print { main { max-width: none; padding: 0; } details, figure, tr { break-inside: avoid; } }
)css";

}  // namespace mathnas::report

#endif  // MATHNAS_REPORT_HTML_STYLE_H_
