/** What every reader of files has to survive: truncated files and damaged bytes. */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { expect } from "vitest";
import { FileFormatError } from "../../src/core/errors.ts";

/** A file of test/golden/checkpoints. */
export function golden(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../golden/checkpoints/${name}`, import.meta.url)));
}

/** `read` must refuse the bytes with a FileFormatError of one line. */
export function expectRefused(read: () => unknown, message?: RegExp): void {
  let error: unknown;
  try {
    read();
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(FileFormatError);
  expect((error as Error).message).not.toMatch(/[\r\n]/);
  if (message) expect((error as Error).message).toMatch(message);
}

/** Every proper prefix of a valid file is refused. */
export function expectTruncationsRefused(bytes: Uint8Array, read: (bytes: Uint8Array) => unknown): void {
  for (let length = 0; length < bytes.length; length++) expectRefused(() => read(bytes.slice(0, length)));
}

/** With any few bytes changed, a file is read or refused: no other error, no hang. */
export function expectDamageSurvived(bytes: Uint8Array, read: (bytes: Uint8Array) => unknown, numRuns = 1000): void {
  const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const damaged = bytes.slice();
      for (const [at, value] of changes) damaged[at] = value;
      try {
        read(damaged);
      } catch (error) {
        if (!(error instanceof FileFormatError)) throw error;
        expect(error.message).not.toMatch(/[\r\n]/);
      }
    }),
    { numRuns },
  );
}
