/** A graph as the text of a TypeScript function, to be read by people. Nothing evaluates it. */
import { isArgumentRecord } from "./argument.ts";
import type { Argument } from "./argument.ts";
import type { Graph } from "./graph.ts";
import { camelCase } from "./names.ts";
import { FxNode } from "./node.ts";
import { getattr, getitem } from "./operators.ts";
import { printTarget } from "./targets.ts";

/** `forward(x, y = 3) { … }`, one line per node. */
export function printCode(graph: Graph): string {
  const nodes = [...graph.nodes];
  const parameters = nodes.filter((node) => node.op === "placeholder").map(parameterText);
  const lines = nodes.filter((node) => node.op !== "placeholder").map((node) => `  ${statement(node)}`);
  return `forward(${parameters.join(", ")}) {\n${lines.join("\n")}\n}`;
}

function parameterText(node: FxNode): string {
  const rest = (node.target as string).startsWith("*") ? "..." : "";
  return node.args.length ? `${node.name} = ${valueText(node.args[0])}` : rest + node.name;
}

function statement(node: FxNode): string {
  if (node.op === "output") return `return ${valueText(node.args[0])};`;
  const expression = expressionText(node);
  return node.users.size ? `const ${node.name} = ${expression};` : `${expression};`;
}

function expressionText(node: FxNode): string {
  const { op, target, args } = node;
  if (op === "get_attr") return pathText("this", target as string);
  if (op === "call_module") return `${pathText("this", target as string)}(${argumentsText(node)})`;
  if (op === "call_method") return `${operandText(args[0])}.${camelCase(target as string)}(${argumentsText(node, 1)})`;
  if (target === getitem) {
    const [value, index] = args;
    return `${operandText(value)}[${(Array.isArray(index) ? index : [index]).map(valueText).join(", ")}]`;
  }
  if (target === getattr) return `${operandText(args[0])}.${camelCase(String(args[1]))}`;
  return `${printTarget(target)}(${argumentsText(node)})`;
}

function argumentsText(node: FxNode, from = 0): string {
  const texts = node.args.slice(from).map(valueText);
  if (Object.keys(node.kwargs).length) texts.push(recordText(node.kwargs));
  return texts.join(", ");
}

/** Something that can stand before a dot. */
function operandText(value: Argument): string {
  return typeof value === "number" ? `(${value})` : valueText(value);
}

function pathText(base: string, path: string): string {
  return path
    .split(".")
    .reduce(
      (text, atom) => (/^[A-Za-z_$][\w$]*$/.test(atom) ? `${text}.${atom}` : `${text}[${JSON.stringify(atom)}]`),
      base,
    );
}

function valueText(value: Argument): string {
  if (value instanceof FxNode) return value.name;
  if (Array.isArray(value)) return `[${value.map(valueText).join(", ")}]`;
  if (isArgumentRecord(value)) return recordText(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return printTarget(value as () => unknown);
  // eslint-disable-next-line typescript/no-base-to-string -- frozen records that graphs hold print themselves
  return String(value);
}

function recordText(record: Readonly<Record<string, Argument>>): string {
  const entries = Object.entries(record).map(([key, value]) => `${key}: ${valueText(value)}`);
  return entries.length ? `{ ${entries.join(", ")} }` : "{}";
}
