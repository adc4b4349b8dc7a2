/** The parameters of a function, read from its text: the only place where JavaScript keeps their names and defaults. */
import type { Argument } from "./argument.ts";

export interface ParameterInfo {
  /** Null for a destructured parameter. */
  readonly name: string | null;
  /** True for `...name`. */
  readonly isRest: boolean;
  /** True for `{ a, b }`, whose names would be read as properties of the argument. */
  readonly isObjectPattern: boolean;
  /** The default, if it is a literal; undefined otherwise. */
  readonly defaultValue: Argument;
}

/** The parameters of `fn` in order. */
export function parametersOf(fn: (...args: never[]) => unknown): ParameterInfo[] {
  const text = withoutComments(Function.prototype.toString.call(fn));
  const arrow = /^(?:async\s+)?([\w$]+)\s*=>/.exec(text);
  if (arrow) return [parameterOf(arrow[1])];
  const open = text.indexOf("(");
  return splitAtCommas(text.slice(open + 1, closingAt(text, open))).map(parameterOf);
}

function parameterOf(text: string): ParameterInfo {
  const isRest = text.startsWith("...");
  const [, target, , initial] = /^(?:\.\.\.)?\s*([\w$]+|[[{].*?[\]}])\s*(=\s*(.*))?$/s.exec(text) ?? ["", text];
  const isPattern = !/^[\w$]+$/.test(target);
  return {
    name: isPattern ? null : target,
    isRest,
    isObjectPattern: isPattern && target.startsWith("{"),
    defaultValue: initial === undefined ? undefined : literal(initial.trim()),
  };
}

/** The value of a literal; undefined for everything that would have to be evaluated. */
function literal(text: string): Argument {
  if (text === "Infinity" || text === "-Infinity") return Number(text);
  if (text === "!0" || text === "!1") return text === "!0"; // minifiers write booleans like this
  const quoted = /^(['`])([^'`"\\$]*)\1$/.exec(text);
  if (quoted) return quoted[2];
  if (/^[-+]?\.?\d[\w.+-]*$/.test(text) && !Number.isNaN(Number(text))) return Number(text);
  try {
    return JSON.parse(text) as Argument;
  } catch {
    return undefined;
  }
}

function withoutComments(text: string): string {
  return scan(text, (part) => (part.startsWith("/*") || part.startsWith("//") ? " " : part)).trim();
}

/** `text` with `replace` applied to every comment and string in it. */
function scan(text: string, replace: (part: string) => string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`/g, replace);
}

/** `text` with strings blanked out, so that brackets and commas can be counted. Positions stay. */
function blanked(text: string): string {
  return scan(text, (part) => "_".repeat(part.length));
}

/** Position of the bracket that closes the one at `open`. */
function closingAt(text: string, open: number): number {
  const plain = blanked(text);
  let depth = 0;
  for (let i = open; i < plain.length; i++) {
    if ("([{".includes(plain[i])) depth++;
    else if (")]}".includes(plain[i]) && --depth === 0) return i;
  }
  return text.length;
}

function splitAtCommas(text: string): string[] {
  const plain = blanked(text);
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= plain.length; i++) {
    if (i === plain.length || (plain[i] === "," && depth === 0)) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    } else if ("([{".includes(plain[i])) depth++;
    else if (")]}".includes(plain[i])) depth--;
  }
  return parts.filter((part) => part !== "");
}
