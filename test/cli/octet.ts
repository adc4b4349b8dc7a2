/** Runs the command line in this process and captures what it writes. */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Writable } from "node:stream";
import { afterAll, expect } from "vitest";
import { main } from "../../src/cli/main.ts";
import type { CommandIo, OutputStream } from "../../src/cli/io.ts";

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A stream that keeps what is written to it. */
export class Capture extends Writable {
  text = "";
  readonly isTTY: boolean;
  readonly columns = 100;

  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export async function octet(args: readonly string[], io: Partial<CommandIo> = {}): Promise<Result> {
  const [stdout, stderr] = [new Capture(), new Capture()];
  const signal = new AbortController().signal;
  const streams = { stdout: stdout as OutputStream, stderr: stderr as OutputStream };
  const code = await main(args, { ...streams, env: {}, signal, ...io });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** Runs a command that must work, and returns what it says. */
export async function octetOutput(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await octet(args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

/** Runs a command that must refuse its input, and returns the one line that it says, without `octet: `. */
export async function octetRefusal(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await octet(args);
  expect({ code, stdout, stderr }).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(/^octet: [^\n]+\n$/),
  });
  return stderr.slice("octet: ".length, -1);
}

/** A folder for the tests of a file, and a path in it. */
export function temporaryFolder(): (...names: string[]) => string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "octet-cli-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (...names) => path.join(folder, ...names);
}
