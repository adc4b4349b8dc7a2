/** From what a command threw to one line on stderr and an exit code. */
import { CommanderError } from "commander";
import { OctetError } from "../core/errors.ts";
import type { CommandIo } from "./io.ts";
import { ResultError, exitCodes, note } from "./io.ts";

/** Tells the user what went wrong and returns the exit code. With OCTET_DEBUG set, the stack follows. */
export function reportError(error: unknown, io: CommandIo): number {
  if (io.signal.aborted) {
    note(io, "interrupted; nothing was written");
    return exitCodes.interrupted;
  }
  if (error instanceof CommanderError) return reportUsage(error, io);
  if (error instanceof OctetError) {
    note(io, oneLine(error.message));
    showStack(error, io);
    return error instanceof ResultError ? exitCodes.result : exitCodes.input;
  }
  if (isSystemError(error)) {
    note(io, oneLine(error.message));
    showStack(error, io);
    return exitCodes.input;
  }
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const hint = io.env.OCTET_DEBUG ? "" : "; OCTET_DEBUG=1 shows where";
  note(io, `this is a bug in octet: ${oneLine(what)}${hint}`);
  showStack(error, io);
  return exitCodes.bug;
}

/** Commander has printed help and version itself; anything else is a mistake in the command line. */
function reportUsage(error: CommanderError, io: CommandIo): number {
  if (error.exitCode === 0) return exitCodes.ok;
  if (error.code !== "commander.help") note(io, oneLine(error.message.replace(/^error: /, "")));
  return exitCodes.input;
}

/** What the operating system refuses: `EACCES: permission denied, scandir 'photos'`. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "errno" in error;
}

function oneLine(message: string): string {
  return message.replace(/\s*[\r\n]+\s*/g, " ");
}

function showStack(error: unknown, io: CommandIo): void {
  if (!io.env.OCTET_DEBUG) return;
  for (let at = error; at instanceof Error; at = at.cause) io.stderr.write(`${at.stack ?? at.message}\n`);
}
