/** Writes the compatibility table as Markdown. Deterministic: the same exports give the same text. */
import type { Name } from "./inventory.ts";
import { floatNames, quantizationNames, torchVersion } from "./inventory.ts";
import { namingRules } from "./names.ts";
import type { Row, Status } from "./status.ts";
import { rowOf, statuses } from "./status.ts";

interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** The whole of COMPATIBILITY.md. */
export function compatibilityDocument(): string {
  const quantization = sections(quantizationNames());
  const float = sections(floatNames());
  return [
    "# Compatibility with PyTorch",
    introduction(),
    "## Counts",
    counts("Quantization", quantization),
    counts("Float", float),
    "# Quantization",
    ...quantization.map(fullSection),
    "# Float",
    ...float.map(shortSection),
  ]
    .join("\n\n")
    .concat("\n");
}

function introduction(): string {
  return [
    `Every documented name of PyTorch ${torchVersion()}'s quantization, and the names of its float side. Written by`,
    "`npm run compat` from what the package exports, so do not edit it.",
    "",
    "- **done**: exported, and a class has all public methods of PyTorch's. Fields and single arguments are not compared.",
    "- **partly**: exported; what is missing stands beside it.",
    "- **not yet**: not there.",
    "- **not planned**: left out, for the reason given.",
    "",
    "How a PyTorch name becomes an Octet name:",
    "",
    ...namingRules.map((rule) => `- ${rule}`),
  ].join("\n");
}

function sections(names: readonly Name[]): Section[] {
  const groups = groupBy(names, (name) => name.group);
  return [...groups].map(([title, members]) => ({ title, rows: members.map(rowOf) }));
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}

function count(rows: readonly Row[], status: Status): number {
  return rows.filter((row) => row.status === status).length;
}

function counts(title: string, parts: readonly Section[]): string {
  const total: Section = { title: "**all**", rows: parts.flatMap((part) => part.rows) };
  const cells = ({ title: name, rows }: Section) => [name, ...statuses.map((s) => count(rows, s)), rows.length];
  return table([title, ...statuses, "names"], [...parts, total].map(cells));
}

/** Every name in a row. */
function fullSection({ title, rows }: Section): string {
  return `## ${title}\n\n${table(["PyTorch", "Octet", "Status"], rows.map(fullCells))}`;
}

function fullCells({ torch, octet, status, why }: Row): string[] {
  return [code(torch), code(octet), why ? `${status}: ${why}` : status];
}

/** What is there in rows, what is not in lists. */
function shortSection({ title, rows }: Section): string {
  const there = rows.filter((row) => row.status === "done" || row.status === "partly");
  const missing = rows.filter((row) => row.status === "not yet");
  const leftOut = rows.filter((row) => row.status === "not planned");
  const reasons = groupBy(leftOut, (row) => row.why);
  const parts = [`## ${title}`];
  if (there.length) parts.push(table(["PyTorch", "Octet", "Status"], there.map(fullCells)));
  if (missing.length) parts.push(`Not yet: ${list(missing)}.`);
  const bullets = [...reasons].map(([why, members]) => `- ${why}: ${list(members)}`);
  if (bullets.length) parts.push(`Not planned:\n\n${bullets.join("\n")}`);
  return parts.join("\n\n");
}

function list(rows: readonly Row[]): string {
  return rows.map((row) => code(row.torch.slice(row.torch.lastIndexOf(".") + 1))).join(", ");
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
