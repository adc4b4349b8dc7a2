/** The chart of SQNR by layer, as SVG text: one bar for each layer, in the order of computation. */
import { fromDecibels } from "./decibels.ts";
import { formatDecibels } from "./format.ts";
import type { LayerReport } from "./report.ts";
import { escapeHtml } from "./safe-text.ts";

const HEIGHT = 170;
const LEFT = 46;
const TOP = 10;
/** Width of all bars together, where their number allows it, in pixels. */
const BARS_WIDTH = 940;

/** Above this the drawing ends: such layers are as good as exact. */
const MAX_DB = 60;

/** From the best to the worst bars are as tall as their SQNR; below zero there is a stub, so that it can be pointed at. */
export function layerChart(layers: readonly LayerReport[]): string {
  const step = Math.min(28, Math.max(4, BARS_WIDTH / layers.length));
  const width = Math.ceil(LEFT + step * layers.length + 8);
  const bottom = TOP + HEIGHT;
  const finite = layers.map(({ sqnrDb }) => fromDecibels(sqnrDb)).filter(Number.isFinite);
  const top = Math.min(MAX_DB, Math.max(20, 10 * Math.ceil(Math.max(...finite, 0) / 10)));
  const y = (db: number): number => bottom - (Math.min(top, Math.max(0, db)) / top) * HEIGHT;
  const lowest = new Set(layers.toSorted((a, b) => compare(a, b)).slice(0, 3));
  const grid = range(0, top, 10).map(
    (db) =>
      `<line class="grid" x1="${LEFT}" x2="${width}" y1="${y(db)}" y2="${y(db)}"/>` +
      `<text x="${LEFT - 6}" y="${y(db) + 4}" text-anchor="end">${db} dB</text>`,
  );
  const bars = layers.map((layer, i) => {
    const height = Math.max(2, bottom - y(fromDecibels(layer.sqnrDb)));
    const place = `x="${(LEFT + i * step).toFixed(1)}" y="${(bottom - height).toFixed(1)}" width="${(step * 0.8).toFixed(1)}" height="${height.toFixed(1)}"`;
    const title = escapeHtml(`${layer.node}: ${formatDecibels(layer.sqnrDb)}`);
    return `<rect class="dot${toneOf(layer, lowest)}" data-node="${escapeHtml(layer.node)}" ${place}><title>${title}</title></rect>`;
  });
  return (
    `<div class="scroll"><svg width="${width}" height="${bottom + 8}" role="img" ` +
    `aria-label="SQNR of ${layers.length} layers; the table below has the numbers">${grid.join("")}${bars.join("")}</svg></div>`
  );
}

function toneOf(layer: LayerReport, lowest: ReadonlySet<LayerReport>): string {
  if (lowest.has(layer)) return " lowest";
  return fromDecibels(layer.sqnrDb) < 20 ? " low" : "";
}

function compare(a: LayerReport, b: LayerReport): number {
  const [x, y] = [fromDecibels(a.sqnrDb), fromDecibels(b.sqnrDb)];
  return x === y ? 0 : x < y ? -1 : 1;
}

function range(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
}
