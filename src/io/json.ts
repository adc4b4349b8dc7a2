/** JSON that came from a file: what JSON.parse lets pass silently, repeated keys, is an error here. */
import { FileFormatError } from "../core/errors.ts";

/** Parses UTF-8 JSON; invalid UTF-8, invalid JSON and repeated keys in an object are errors that begin with `where`. */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FileFormatError(`${where} is not valid UTF-8`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FileFormatError(`${where} is not valid JSON`);
  }
  const repeated = repeatedKey(text);
  if (repeated !== null) throw new FileFormatError(`${where} has the key ${JSON.stringify(repeated)} twice`);
  return value;
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The first key that an object of the (valid) JSON text has twice, or null. A key is a string followed by a colon. Scans by
 * hand: a regular expression for JSON strings overflows the engine's stack on strings of some megabytes.
 */
function repeatedKey(text: string): string | null {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{") {
      open.push(new Set());
    } else if (character === "}") {
      open.pop();
    } else if (character === '"') {
      const end = endOfString(text, at);
      if (isColonNext(text, end + 1)) {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        const keys = open[open.length - 1];
        if (keys.has(key)) return key;
        keys.add(key);
      }
      at = end;
    }
  }
  return null;
}

/** Where the string that begins at `begin` has its closing quote. */
function endOfString(text: string, begin: number): number {
  let at = begin + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}

function isColonNext(text: string, from: number): boolean {
  let at = from;
  while (text[at] === " " || text[at] === "\n" || text[at] === "\r" || text[at] === "\t") at++;
  return text[at] === ":";
}
