#!/usr/bin/env node
/** The `octet` command: the process around main.ts. */
import { main } from "./main.ts";
import { exitCodes } from "./io.ts";

const interruption = new AbortController();
process.on("SIGINT", () => {
  // Whoever presses Ctrl-C twice does not want to wait. Files are written in one step, so there is no half of one.
  if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
  interruption.abort();
});

// `octet inspect … | head` closes the pipe; that is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(exitCodes.ok);
});

const { stdout, stderr, env } = process;
process.exitCode = await main(process.argv.slice(2), { stdout, stderr, env, signal: interruption.signal });
