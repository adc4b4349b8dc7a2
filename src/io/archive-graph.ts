/** The nodes of a graph from an archive, each checked before it is added. */
import type { Argument, FxNode, Kwargs, Opcode, Target } from "../fx/node.ts";
import { Graph, attributeAt } from "../fx/graph.ts";
import { Module } from "../nn/module.ts";
import type { Fields } from "./archive-checks.ts";
import { arrayOf, fail, quote, recordOf, textOf } from "./archive-checks.ts";
import type { ArchiveFunction } from "./archive-names.ts";
import { isTensorMethod } from "./archive-names.ts";

/** What reads the values in nodes. */
interface ValueReader {
  decodeIn(nodes: ReadonlyMap<unknown, FxNode>, value: unknown): unknown;
  operatorOf(name: unknown): ArchiveFunction;
}

const opcodes: readonly unknown[] = [
  "placeholder",
  "get_attr",
  "call_module",
  "call_method",
  "call_function",
  "output",
] satisfies readonly Opcode[];

/** The graph whose nodes refer to what `owner` holds already. */
export function readGraph(reader: ValueReader, encoded: readonly unknown[], owner: Module): Graph {
  const graph = new Graph();
  const nodes = new Map<unknown, FxNode>();
  const records = encoded.map((fields) => recordOf("a node", fields));
  for (const fields of records) {
    const name = textOf("the name of a node", fields.name);
    const op = fields.op as Opcode;
    if (!opcodes.includes(op)) fail(`node ${quote(name)}: ${quote(op)} is no opcode`);
    if (nodes.has(name) || !/^\w+$/.test(name)) fail(`node ${quote(name)} is there twice, or the name is none`);
    if (op === "output" && fields !== records.at(-1)) fail(`node ${quote(name)}: the output is not the last node`);
    const target = targetOf(reader, owner, op, fields.target);
    const args = arrayOf("the arguments of a node", reader.decodeIn(nodes, fields.args)) as readonly Argument[];
    const kwargs = recordOf("the named arguments of a node", reader.decodeIn(nodes, fields.kwargs ?? {})) as Kwargs;
    const node = graph.createNode(op, target, args, kwargs, name);
    node.name = name;
    nodes.set(name, node);
  }
  // Only now, because what passes note of a node may mention later ones.
  for (const { name, meta = {} } of records) {
    const node = nodes.get(name) as FxNode;
    node.meta = { ...recordOf("the meta of a node", reader.decodeIn(nodes, meta)) };
  }
  return graph;
}

function targetOf(reader: ValueReader, owner: Module, op: Opcode, target: Fields[string]): Target {
  switch (op) {
    case "call_function": {
      const { $: tag, name } = recordOf("the target of a call_function", target);
      return tag === "function" ? reader.operatorOf(name) : fail(`the target of a call_function is a ${quote(tag)}`);
    }
    case "call_method":
      return isTensorMethod(target) ? target : fail(`Tensor has no method ${quote(target)}`);
    case "call_module": {
      const path = textOf("the target of a call_module", target);
      return attributeAt(owner, path) instanceof Module ? path : fail(`there is no module ${quote(path)}`);
    }
    case "get_attr": {
      const path = textOf("the target of a get_attr", target);
      const found = path.split(".").includes("__proto__") ? undefined : attributeAt(owner, path);
      const holdsData = found !== undefined && (typeof found !== "function" || found instanceof Module);
      return holdsData ? path : fail(`there is no attribute ${quote(path)}`);
    }
    case "placeholder":
    case "output":
      return textOf(`the target of a node of kind ${op}`, target);
    default:
      return op satisfies never;
  }
}
