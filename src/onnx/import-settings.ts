/** What holds for the import of a whole model. */
import { OctetError } from "../core/errors.ts";
import type { OnnxFunction, OnnxNode } from "./model.ts";
import type { OpaqueExecutor } from "./opaque.ts";

export interface ImportSettings {
  readonly opsets: ReadonlyMap<string, number>;
  /** The model's functions by {@link functionKey}. */
  readonly functions: ReadonlyMap<string, OnnxFunction>;
  readonly executor: OpaqueExecutor | null;
}

/** In `node.meta.onnx`: the nodes of the file that a node of the graph stands for, and the values of the file that it makes. */
export interface NodeOrigin {
  readonly nodes: OnnxNode[];
  readonly values: string[];
}

/** What identifies an operator that is written with others. */
export function functionKey(node: Pick<OnnxNode, "domain" | "overload"> & { opType?: string; name?: string }): string {
  return JSON.stringify([standardDomain(node.domain), node.opType ?? node.name, node.overload]);
}

/** The version of a domain's operators; refuses a domain that the model does not import. */
export function opsetOf(opsets: ReadonlyMap<string, number>, domain: string): number {
  const wanted = standardDomain(domain);
  for (const [name, version] of opsets) if (standardDomain(name) === wanted) return version;
  if (opsets.size === 0) return 1; // files of IR version 1 and 2
  throw new OctetError(`onnx: the model uses operators of "${domain}" and does not say which version of them`);
}

function standardDomain(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}
