/** A short text that changes when the model, the data or the settings do. */
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import type { DataSource } from "../../data/source.ts";

/** SHA-256 of a file's content, which is not held in memory. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

/** Of the data only the path, size and time of change count: reading all of it would take too long. */
export function fingerprintOf(
  modelHash: string,
  data: string,
  source: DataSource,
  settings: readonly unknown[],
): string {
  const { size, mtimeMs } = statSync(data);
  const text = JSON.stringify([modelHash, data, size, mtimeMs, source.length, ...settings]);
  return createHash("sha256").update(text).digest("hex");
}
