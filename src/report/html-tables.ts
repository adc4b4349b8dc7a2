/** Tables of the page, as HTML text. Every cell that comes from a model is escaped here. */
import { escapeHtml } from "./safe-text.ts";

export interface Column<Row> {
  readonly title: string;
  /** Numbers stand to the right and sort from the largest. Short texts stay on one line. Bars are not for sorting. */
  readonly kind: "name" | "text" | "short" | "number" | "bar";
  /** The text to show; HTML for bars. */
  cell(row: Row): string;
  /** What a number sorts by. */
  value?(row: Row): number;
}

export interface TableOptions<Row> {
  readonly id: string;
  /** For people who do not see the heading above. */
  readonly caption: string;
  /** The node that a row is about. */
  node?(row: Row): string;
}

export function tableHtml<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { id, caption, node }: TableOptions<Row>,
): string {
  const heads = columns.map(({ title, kind }) => {
    const text = escapeHtml(title);
    const label = kind === "bar" ? text : `<button type="button">${text}</button>`;
    return `<th scope="col"${classOf(kind)}>${label}</th>`;
  });
  const body = rows.map((row) => {
    const about = node ? ` data-node="${escapeHtml(node(row))}"` : "";
    return `<tr${about}>${columns.map((column) => cellHtml(row, column)).join("")}</tr>`;
  });
  return (
    `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(caption)}"><table id="${id}">` +
    `<thead><tr>${heads.join("")}</tr></thead>\n<tbody>${body.join("\n")}</tbody></table></div>`
  );
}

function cellHtml<Row>(row: Row, { kind, cell, value }: Column<Row>): string {
  const shown = kind === "bar" ? cell(row) : escapeHtml(cell(row));
  const sort = value ? ` data-value="${value(row)}"` : "";
  return `<td${classOf(kind)}${sort}>${shown}</td>`;
}

function classOf(kind: Column<never>["kind"]): string {
  return kind === "text" ? "" : ` class="${kind}"`;
}

/** Two bars, one inside the other: before and after, as shares of the widest. */
export function twoBars(before: number, after: number): string {
  const percent = (share: number): string => `${(100 * Math.min(1, Math.max(0, share))).toFixed(2)}%`;
  return `<span class="track"><i style="width:${percent(before)}"></i><i style="width:${percent(after)}"></i></span>`;
}
