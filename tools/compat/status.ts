/** One row of the compatibility table: the name in Octet, and how far it is. */
import { isExported, missingMethods } from "./exports.ts";
import type { Name } from "./inventory.ts";
import { camelCase, octetName } from "./names.ts";
import { quantizedProblem } from "./quantized-probes.ts";
import { interfaces, notPlanned, partly, renamed } from "./notes.ts";

export type Status = "done" | "partly" | "not yet" | "not planned";

export const statuses: readonly Status[] = ["done", "partly", "not yet", "not planned"];

export interface Row {
  readonly torch: string;
  readonly octet: string;
  readonly status: Status;
  /** Why it is partly there or not planned; empty for the others. */
  readonly why: string;
}

/** The row of a PyTorch name: what is exported decides, the notes say why. */
export function rowOf({ path, kind, methods }: Name): Row {
  const octet = renamed[path] ?? octetName(path);
  const row = (status: Status, why = ""): Row => ({ torch: path, octet, status, why });
  if (interfaces[path]) return row("done", interfaces[path]);
  if (!isExported(octet)) {
    const reason = notPlanned.find(({ names }) => names.test(path));
    return reason ? row("not planned", reason.why) : row("not yet");
  }
  const why = shortcomings(path, octet, kind, methods).join("; ");
  return why ? row("partly", why) : row("done");
}

/** What an exported name lacks. */
function shortcomings(path: string, octet: string, kind: string, methods: readonly string[]): string[] {
  const wanted = methods.filter((method) => !notPlanned.some(({ names }) => names.test(`${path}.${method}`)));
  const missing = missingMethods(octet, wanted.map(camelCase));
  const problem = kind === "tensor-method" ? quantizedProblem(octet.slice("Tensor.".length)) : null;
  return [
    ...(missing.length ? [`without ${missing.map((m) => `\`${m}\``).join(", ")}`] : []),
    ...(problem ? [problem] : []),
    ...(partly[path] ? [partly[path]] : []),
  ];
}
