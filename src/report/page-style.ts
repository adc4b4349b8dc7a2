/** How the page looks: light and dark by the reader's setting, one column, tables that scroll by themselves. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --text: #1b1f24; --muted: #5b6570; --page: #f6f7f9; --card: #ffffff; --line: #dde2e8;
  --accent: #2f6fde; --accent-soft: #c9dbfa; --good: #1a7f4b; --warn: #b26a00; --bad: #c0362c; --range: #2f6fde1f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6e9ed; --muted: #98a3af; --page: #14171b; --card: #1d2127; --line: #323941;
    --accent: #6ea3ff; --accent-soft: #2c4168; --good: #4cc38a; --warn: #e0a44a; --bad: #f0776c; --range: #6ea3ff26;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main, header { max-width: 1080px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 28px; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 4px; }
h3 { font-size: 0.95rem; margin: 16px 0 4px; }
p { margin: 4px 0 12px; }
.muted, figcaption, caption { color: var(--muted); font-size: 0.9rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px; margin: 16px 0; }
code, pre, td.name, option { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.86rem; }
pre { overflow: auto; max-height: 26rem; margin: 8px 0 0; padding: 12px; background: var(--page); border-radius: 6px; }
dl.summary { display: grid; grid-template-columns: max-content 1fr; gap: 6px 18px; margin: 0; }
dl.summary dt { color: var(--muted); }
dl.summary dd { margin: 0; font-weight: 500; overflow-wrap: anywhere; }
dd.good { color: var(--good); }
dd.bad { color: var(--warn); }
.scroll { overflow: auto; max-height: 32rem; margin: 0 -16px; padding: 0 16px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 6px; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { position: sticky; top: 0; background: var(--card); white-space: nowrap; font-weight: 600; font-size: 0.86rem; z-index: 1; }
th button { all: unset; cursor: pointer; }
th button:hover { color: var(--accent); }
th button:focus-visible, select:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
th[aria-sort="ascending"] button::after { content: " \\2191"; }
th[aria-sort="descending"] button::after { content: " \\2193"; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.number + td:not(.number), th.number + th:not(.number) { padding-left: 10px; }
td.short { white-space: nowrap; }
td:last-child:not(.number):not(.short) { min-width: 12rem; }
td.name { min-width: 10rem; overflow-wrap: anywhere; }
td.bar { min-width: 7rem; width: 22%; vertical-align: middle; }
.track { display: block; position: relative; height: 12px; }
.track i { position: absolute; left: 0; top: 0; height: 12px; border-radius: 2px; background: var(--accent-soft); }
.track i + i { height: 6px; top: 3px; background: var(--accent); }
tr.picked td { background: var(--range); }
figure { margin: 0; }
svg { display: block; }
svg text { fill: var(--muted); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--line); }
.dot { fill: var(--accent); cursor: pointer; }
.dot.low { fill: var(--warn); }
.dot.lowest { fill: var(--bad); }
.dot.picked { stroke: var(--text); stroke-width: 1.5; }
.picker { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 14px 0 6px; }
select { font: inherit; max-width: 100%; min-width: 12rem; padding: 5px 8px; border: 1px solid var(--line); border-radius: 6px; background: var(--page); color: var(--text); }
.bin { fill: var(--accent); }
.bin.cut { fill: var(--bad); }
.range { fill: var(--range); }
.edge { stroke: var(--accent); stroke-dasharray: 4 3; }
details summary { cursor: pointer; }
ol { margin: 4px 0; padding-left: 1.4rem; }
footer { color: var(--muted); font-size: 0.85rem; text-align: center; padding: 8px 16px 28px; }
@media (max-width: 560px) {
  dl.summary { grid-template-columns: 1fr; gap: 0; }
  dl.summary dd { margin-bottom: 10px; }
  td.bar, th.bar { display: none; }
}
@media print { .scroll { max-height: none; } }
`;
