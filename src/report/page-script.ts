/**
 * What moves on the page: sorting tables, and drawing the chosen layer. It reads the report from its script element and
 * writes text only as text, so that no name can become markup. Plain JavaScript for the browser, run by nothing else.
 */
export const PAGE_SCRIPT = `
"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const layers = new Map(report.layers.map((layer) => [layer.node, layer]));
  const observations = new Map(report.observations.map((observation) => [observation.node, observation]));
  const SVG = "http://www.w3.org/2000/svg";

  const element = (name, text) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const draw = (parent, name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const key of Object.keys(attributes)) made.setAttribute(key, String(attributes[key]));
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };
  const short = (value) => String(Number(value.toPrecision(4)));
  const decibels = (value) =>
    typeof value === "number" ? value.toFixed(1) + " dB" : value === "inf" ? "exact" : value === "-inf" ? "−∞ dB" : "not a number";

  // ---- tables

  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const column = head.cellIndex;
      const body = head.closest("table").tBodies[0];
      const first = head.classList.contains("number") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      for (const cell of head.parentElement.cells) cell.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const rows = Array.from(body.rows, (row) => ({ row, value: valueOf(row, column) }));
      rows.sort((a, b) => sign * compare(a.value, b.value));
      body.append(...rows.map(({ row }) => row));
    });
  }

  // ---- one layer

  const histogram = ({ min, max, counts, range }) => {
    const width = Math.min(720, Math.max(280, panel.clientWidth));
    const [height, left, top] = [200, 8, 8];
    const low = Math.min(min, range.low);
    const high = Math.max(max, range.high);
    const x = (value) => left + ((value - low) / (high - low || 1)) * (width - 2 * left);
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("width", width);
    svg.setAttribute("height", height + 44);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "Values from " + short(min) + " to " + short(max) + ", range from " + short(range.low) + " to " + short(range.high));
    draw(svg, "rect", { class: "range", x: x(range.low), y: top, width: Math.max(1, x(range.high) - x(range.low)), height: height - top });
    const tallest = Math.sqrt(Math.max(...counts, 1));
    const step = (max - min) / (counts.length || 1);
    counts.forEach((count, i) => {
      const [from, to] = [min + i * step, min + (i + 1) * step];
      const tall = (Math.sqrt(count) / tallest) * (height - top - 4);
      const isCut = to <= range.low || from >= range.high;
      const bar = draw(svg, "rect", { class: isCut ? "bin cut" : "bin", x: x(from), y: height - tall, width: Math.max(0.5, x(to) - x(from) - 0.5), height: tall });
      draw(bar, "title", {}, short(from) + " to " + short(to) + ": " + Math.floor(count));
    });
    draw(svg, "line", { class: "grid", x1: left, x2: width - left, y1: height, y2: height });
    for (const edge of [range.low, range.high]) draw(svg, "line", { class: "edge", x1: x(edge), x2: x(edge), y1: top, y2: height + 4 });
    const label = (value, text, row) => {
      const at = x(value);
      const anchor = at < width * 0.2 ? "start" : at > width * 0.8 ? "end" : "middle";
      draw(svg, "text", { x: at, y: height + 18 + 16 * row, "text-anchor": anchor }, text);
    };
    label(range.low, "range " + short(range.low), 0);
    label(range.high, short(range.high), 0);
    label(min, "seen " + short(min), 1);
    label(max, short(max), 1);
    return svg;
  };

  const panel = document.getElementById("panel");
  const select = document.getElementById("layer");
  const show = (name) => {
    panel.replaceChildren();
    const layer = layers.get(name);
    const observation = observations.get(name);
    if (layer) {
      const from = layer.inputSqnrDb === null ? "" : ", from " + decibels(layer.inputSqnrDb) + " before it";
      panel.append(element("p", layer.operator + ", " + layer.detail + ". SQNR " + decibels(layer.sqnrDb) + from + "."));
    }
    if (observation) {
      const figure = element("figure");
      if (observation.counts.length) figure.append(histogram(observation));
      const { min, max, range, observer, dtype } = observation;
      const seen = observer + " saw values from " + short(min) + " to " + short(max) + " and chose " + short(range.low) + " to " + short(range.high) + " for " + dtype + ".";
      const how = observation.counts.length ? " Bars show the square root of the count; what lies outside the range is cut off." : " It keeps no histogram.";
      figure.append(element("figcaption", seen + how));
      panel.append(figure);
    } else panel.append(element("p", "No observer of its own: its range is that of a neighbour, or it was not recorded."));
    for (const marked of document.querySelectorAll(".picked")) marked.classList.remove("picked");
    for (const marked of document.querySelectorAll("[data-node]")) {
      if (marked.dataset.node === name) marked.classList.add("picked");
    }
  };
  if (select) {
    select.addEventListener("change", () => show(select.value));
    for (const dot of document.querySelectorAll(".dot[data-node]")) {
      dot.addEventListener("click", () => {
        select.value = dot.dataset.node;
        show(dot.dataset.node);
      });
    }
    show(select.value);
  }
})();
`;

/** SHA-256 of {@link PAGE_SCRIPT} in base64: the page's policy lets this script run and no other. A test keeps it true. */
export const PAGE_SCRIPT_SHA256 = "bdEUN+mpJsLyQOUgTzgi/k9yveVEi/vqS1EIzzvN3Pg=";
