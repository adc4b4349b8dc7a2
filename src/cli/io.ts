/** What a command may touch of the process, so that tests can run commands without one. */
import { OctetError } from "../core/errors.ts";

export type OutputStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface CommandIo {
  /** For results. */
  readonly stdout: OutputStream;
  /** For progress, notes and errors. */
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted when the user wants to stop. Commands look at it between samples and write their files at the very end. */
  readonly signal: AbortSignal;
}

/** The command worked, but the result is not as good as was asked for. */
export class ResultError extends OctetError {}

/** What a command ends with. */
export const exitCodes = Object.freeze({
  ok: 0,
  /** A result below what was asked for, such as `--min-agreement`. */
  result: 1,
  /** Bad input: files, data or options. */
  input: 2,
  /** A bug in Octet. */
  bug: 3,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
});

export function note(io: CommandIo, text: string): void {
  io.stderr.write(`octet: ${text}\n`);
}
