/**
 * The report as one HTML file: styles, script and data inside, nothing fetched, no framework. What was measured is text and
 * tables that show without the script; the script sorts, and draws the histogram of the layer that is picked. Its policy
 * lets only that script run and nothing be loaded.
 */
import {
  formatBytes,
  formatCount,
  formatDecibels,
  formatMs,
  formatNumber,
  formatPercent,
  formatRatio,
  plural,
} from "./format.ts";
import { fromDecibels } from "./decibels.ts";
import { fallOf } from "./advice.ts";
import { layerChart } from "./html-chart.ts";
import type { Column } from "./html-tables.ts";
import { tableHtml, twoBars } from "./html-tables.ts";
import { PAGE_SCRIPT, PAGE_SCRIPT_SHA256 } from "./page-script.ts";
import { PAGE_STYLE } from "./page-style.ts";
import type { LayerReport, LedgerRow, Leftover, OutputReport, Report, RuntimeReport, WorstSample } from "./report.ts";
import { escapeHtml, jsonForScript } from "./safe-text.ts";
import { summaryLines } from "./summary.ts";

/** The whole file. */
export function reportHtml(report: Report): string {
  const title = `${report.model}: quantization report`;
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${PAGE_SCRIPT_SHA256}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1>
<p class="muted">${escapeHtml(subtitle(report))}</p></header>
<main>
${[summary, outputs, latency, layers, leftovers, bytes, recipe].map((section) => section(report)).join("\n")}
</main>
<footer>${escapeHtml(`Measured by Octet ${report.octet}`)}</footer>
<script type="application/json" id="report">${jsonForScript(report)}</script>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

function subtitle({ recipe, samples, operators }: Report): string {
  const mode = recipe.mode ? `${recipe.mode} quantization for ${recipe.backend}` : recipe.backend;
  return `${mode} · ${operators.quantized} of ${plural(operators.total, "operator")} quantized · compared on ${plural(samples, "sample")}`;
}

function section(id: string, title: string, body: string): string {
  return `<section id="${id}"><h2>${escapeHtml(title)}</h2>\n${body}</section>`;
}

function muted(text: string): string {
  return `<p class="muted">${escapeHtml(text)}</p>`;
}

// ---------------------------------------------------------------- summary and advice

function summary(report: Report): string {
  const lines = summaryLines(report).map(
    ({ label, text, tone }) => `<dt>${escapeHtml(label)}</dt><dd class="${tone}">${escapeHtml(text)}</dd>`,
  );
  const advice = report.advice.map(({ text }) => `<li>${escapeHtml(text)}</li>`);
  const more = advice.length > 1 ? `<h3>What to try next</h3><ol>${advice.join("")}</ol>` : "";
  return section("summary", "Summary", `<dl class="summary">${lines.join("\n")}</dl>${more}`);
}

// ---------------------------------------------------------------- outputs

const outputColumns: readonly Column<OutputReport>[] = [
  { title: "Output", kind: "name", cell: ({ name }) => name },
  { title: "Shape", kind: "short", cell: ({ shape }) => shape.join(" × ") || "scalar" },
  {
    title: "Same answer",
    kind: "number",
    cell: sameAnswer,
    value: ({ top1, rows }) => (top1 ? top1.agreed / rows : -1),
  },
  { title: "Top-1 before", kind: "number", cell: (row) => accuracy(row, "float"), value: (row) => share(row, "float") },
  {
    title: "after",
    kind: "number",
    cell: (row) => accuracy(row, "quantized"),
    value: (row) => share(row, "quantized"),
  },
  {
    title: "SQNR",
    kind: "number",
    cell: (row) => formatDecibels(row.sqnrDb),
    value: (row) => fromDecibels(row.sqnrDb),
  },
  {
    title: "Mean cosine",
    kind: "number",
    cell: ({ cosine }) => cosine?.mean.toFixed(5) ?? "–",
    value: ({ cosine }) => cosine?.mean ?? -2,
  },
  {
    title: "Largest error",
    kind: "number",
    cell: ({ maxError }) => formatNumber(maxError),
    value: ({ maxError }) => maxError,
  },
];

function share({ top1 }: OutputReport, which: "float" | "quantized"): number {
  return top1?.labelled ? top1.labelled[which] / top1.labelled.rows : -1;
}

function accuracy(output: OutputReport, which: "float" | "quantized"): string {
  return output.top1?.labelled ? formatPercent(share(output, which)) : "–";
}

function sameAnswer({ top1, rows }: OutputReport): string {
  return top1 && rows ? formatPercent(top1.agreed / rows) : "–";
}

interface WorstRow extends WorstSample {
  readonly output: string;
}

const worstColumns: readonly Column<WorstRow>[] = [
  { title: "Sample", kind: "number", cell: ({ sample }) => formatCount(sample), value: ({ sample }) => sample },
  { title: "Row", kind: "number", cell: ({ row }) => formatCount(row), value: ({ row }) => row },
  { title: "Output", kind: "name", cell: ({ output }) => output },
  { title: "Answer", kind: "text", cell: ({ agrees }) => (agrees === null ? "–" : agrees ? "same" : "another") },
  {
    title: "SQNR",
    kind: "number",
    cell: (row) => formatDecibels(row.sqnrDb),
    value: (row) => fromDecibels(row.sqnrDb),
  },
];

function outputs({ outputs }: Report): string {
  const worst = outputs.flatMap(({ name, worst }) => worst.map((row): WorstRow => ({ ...row, output: name })));
  const table = tableHtml(outputs, outputColumns, { id: "output-table", caption: "Agreement by output" });
  const broken = outputs
    .filter(({ nonFinite }) => nonFinite.float || nonFinite.quantized)
    .map(({ name, nonFinite }) =>
      muted(
        `Output "${name}" has NaN or infinity in ${plural(nonFinite.float, "row")} of the float model and ${plural(nonFinite.quantized, "row")} of the quantized one; they count in no error.`,
      ),
    );
  const list = worst.length
    ? `<details><summary>Samples that differ most</summary>${tableHtml(worst, worstColumns, { id: "worst-table", caption: "Samples that differ most" })}</details>`
    : "";
  return section("agreement", "Agreement", `${table}${broken.join("")}${list}`);
}

// ---------------------------------------------------------------- latency

const latencyColumns: readonly Column<RuntimeReport>[] = [
  { title: "Runtime", kind: "name", cell: ({ name }) => name },
  { title: "Float", kind: "number", cell: ({ floatMs }) => formatMs(floatMs), value: ({ floatMs }) => floatMs },
  {
    title: "Quantized",
    kind: "number",
    cell: ({ quantizedMs }) => formatMs(quantizedMs),
    value: ({ quantizedMs }) => quantizedMs,
  },
  {
    title: "Speed-up",
    kind: "number",
    cell: (row) => formatRatio(row.floatMs / row.quantizedMs),
    value: (row) => row.floatMs / row.quantizedMs,
  },
  { title: "Runs of each", kind: "number", cell: ({ runs }) => String(runs), value: ({ runs }) => runs },
];

function latency({ runtimes }: Report): string {
  if (!runtimes.length) return section("latency", "Latency", muted("Not measured."));
  const note = muted("The median of calls of both models in turn, for the first sample, on the machine that measured.");
  const table = tableHtml(runtimes, latencyColumns, { id: "latency-table", caption: "Latency by runtime" });
  return section("latency", "Latency", note + table);
}

// ---------------------------------------------------------------- layers

const layerColumns: readonly Column<readonly [layer: LayerReport, index: number]>[] = [
  { title: "#", kind: "number", cell: ([, i]) => String(i + 1), value: ([, i]) => i },
  { title: "Layer", kind: "name", cell: ([{ node }]) => node },
  {
    title: "SQNR",
    kind: "number",
    cell: ([layer]) => formatDecibels(layer.sqnrDb),
    value: ([layer]) => fromDecibels(layer.sqnrDb),
  },
  {
    title: "Change",
    kind: "number",
    cell: ([layer]) => changeOf(layer),
    value: ([layer]) => (layer.inputSqnrDb === null ? 0 : fallOf(layer)),
  },
  { title: "Operator", kind: "text", cell: ([{ operator }]) => operator },
  { title: "Became", kind: "text", cell: ([{ detail }]) => detail },
];

/** From the worst value that a layer reads to the one that it gives. */
function changeOf(layer: LayerReport): string {
  if (layer.inputSqnrDb === null) return "–";
  const change = -fallOf(layer);
  const digits = Math.abs(change).toFixed(1);
  return Number(digits) === 0 ? "0.0 dB" : `${change < 0 ? "−" : "+"}${digits} dB`;
}

function layers(report: Report): string {
  const { layers, observations, layerSamples } = report;
  const names = [...new Set([...observations, ...layers].map(({ node }) => node))];
  if (!names.length) return section("layers", "Layers", muted("No layer could be compared."));
  const note = layers.length
    ? muted(
        `Signal to quantization noise of the value after each operator, with everything before it quantized too, over ${plural(layerSamples, "sample")}. Higher is better; 6 dB are one bit. The three lowest are red.`,
      )
    : "";
  const chart = layers.length ? layerChart(layers) : "";
  const worst =
    layers.toSorted((a, b) => Math.sign(fromDecibels(a.sqnrDb) - fromDecibels(b.sqnrDb)) || 0)[0]?.node ?? names[0];
  const options = names.map((name) => {
    const text = escapeHtml(name);
    return `<option value="${text}"${name === worst ? " selected" : ""}>${text}</option>`;
  });
  const picker =
    `<div class="picker"><label for="layer">Layer</label><select id="layer">${options.join("")}</select></div>` +
    `<div id="panel" aria-live="polite"><noscript>The histogram needs JavaScript.</noscript></div>`;
  const rows = layers.map((layer, i) => [layer, i] as const);
  const table = layers.length
    ? tableHtml(rows, layerColumns, {
        id: "layer-table",
        caption: "Layers in the order of computation",
        node: ([{ node }]) => node,
      })
    : "";
  return section("layers", "Layers", `${note}${chart}${picker}<h3>All layers</h3>${table}`);
}

// ---------------------------------------------------------------- what stayed float

const leftoverColumns: readonly Column<Leftover>[] = [
  { title: "Node", kind: "name", cell: ({ node }) => node },
  { title: "Operator", kind: "text", cell: ({ operator }) => operator },
  { title: "Module", kind: "text", cell: ({ module }) => module },
  { title: "Why", kind: "text", cell: ({ reason }) => reason },
];

function leftovers({ leftovers, operators }: Report): string {
  if (!leftovers.length) return section("leftovers", "In float", muted("Nothing: every operator is quantized."));
  const note = muted(`${leftovers.length} of ${plural(operators.total, "operator")} compute in float.`);
  const table = tableHtml(leftovers, leftoverColumns, {
    id: "leftover-table",
    caption: "Operators that compute in float",
  });
  return section("leftovers", "In float", note + table);
}

// ---------------------------------------------------------------- bytes

function bytes({ size }: Report): string {
  const { ledger, floatBytes, quantizedBytes, files } = size;
  const widest = Math.max(1, ...ledger.map((row) => Math.max(row.floatBytes, row.quantizedBytes)));
  const columns: readonly Column<LedgerRow>[] = [
    { title: "Tensor", kind: "name", cell: ({ name }) => name },
    { title: "Before", kind: "number", cell: (row) => formatBytes(row.floatBytes), value: (row) => row.floatBytes },
    {
      title: "After",
      kind: "number",
      cell: (row) => formatBytes(row.quantizedBytes),
      value: (row) => row.quantizedBytes,
    },
    { title: "", kind: "bar", cell: (row) => twoBars(row.floatBytes / widest, row.quantizedBytes / widest) },
    { title: "Shape", kind: "short", cell: ({ shape }) => shape.join(" × ") || "scalar" },
    {
      title: "Type",
      kind: "short",
      cell: ({ floatDtype, quantizedDtype }) => `${floatDtype ?? "–"} → ${quantizedDtype ?? "–"}`,
    },
  ];
  const inFiles = files ? ` The files have ${formatBytes(files.float)} and ${formatBytes(files.quantized)}.` : "";
  const note = muted(
    `Parameters and buffers: ${formatBytes(floatBytes)} before, ${formatBytes(quantizedBytes)} after.${inFiles} A dash is a tensor that one of the models does not have, such as a batch norm that was folded into a convolution.`,
  );
  const table = tableHtml(ledger, columns, { id: "ledger-table", caption: "Bytes by tensor" });
  return section("bytes", "Bytes", note + table);
}

// ---------------------------------------------------------------- recipe

function recipe({ recipe, octet }: Report): string {
  const { mode, backend, calibrationSamples, command, qconfigMapping } = recipe;
  const facts: readonly (readonly [string, string])[] = [
    ["mode", mode || "unknown"],
    ["backend", backend],
    ["calibration", calibrationSamples === null ? "unknown" : plural(calibrationSamples, "sample")],
    ["Octet", octet],
    ...(command ? [["command", command] as const] : []),
  ];
  const list = facts.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`).join("");
  const mapping = qconfigMapping
    ? `<details><summary>QConfig mapping</summary><pre>${escapeHtml(qconfigMapping)}</pre></details>`
    : "";
  return section("recipe", "Recipe", `<dl class="summary">${list}</dl>${mapping}`);
}
