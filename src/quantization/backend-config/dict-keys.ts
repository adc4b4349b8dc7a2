/** Checks configs that are given as plain data. */
import { OctetError } from "../../core/errors.ts";

export function checkKeys(what: string, dict: object, known: readonly string[]): void {
  const unknown = Object.keys(dict).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new OctetError(`${what}.fromDict: unknown key "${unknown}"; known: "${known.join('", "')}"`);
}
