/** Checks of what stands in an archive: of the right type, or a FileFormatError of one line. */
import { FileFormatError } from "../core/errors.ts";
import { isJsonObject } from "./json.ts";

/** An object of graph.json, of which nothing is known but that it is one. */
export type Fields = Readonly<Record<string, unknown>>;

export function fail(message: string): never {
  throw new FileFormatError(`archive: ${message}`);
}

/** A value as the message of an error shows it: its beginning. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

export function textOf(what: string, value: unknown): string {
  return typeof value === "string" ? value : fail(`${what} is ${quote(value)}, not text`);
}

export function arrayOf(what: string, value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : fail(`${what}: expects an array, got ${quote(value)}`);
}

export function recordOf(what: string, value: unknown): Fields {
  return isJsonObject(value) ? value : fail(`${what}: expects an object, got ${quote(value)}`);
}
