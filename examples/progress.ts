/** A progress bar for the examples; where the output is no terminal, a line every ten seconds. */
import { SingleBar } from "cli-progress";

/** Tells how many of the steps are done, with a word about the state of things. */
export type Report = (done: number, of: number, note?: string) => void;

/** Runs `body` under a bar, which appears with its first report. */
export function withProgress<T>(what: string, unit: string, body: (report: Report) => T): T {
  return process.stderr.isTTY ? withBar(what, unit, body) : body(lineReporter(what, unit));
}

function withBar<T>(what: string, unit: string, body: (report: Report) => T): T {
  const bar = new SingleBar({
    format: `${what} [{bar}] {value}/{total} ${unit}{note} | {duration_formatted} elapsed, {eta_formatted} left`,
    hideCursor: true,
  });
  let started = false;
  try {
    return body((done, of, note) => {
      if (!started) bar.start(of, 0, { note: "" });
      started = true;
      bar.update(done, { note: note ? ` | ${note}` : "" });
    });
  } finally {
    if (started) bar.stop();
  }
}

/** The bar's own way without a terminal needs timers, which do not run while the examples compute. */
function lineReporter(what: string, unit: string): Report {
  const started = performance.now();
  let last = started;
  return (done, of, note) => {
    const now = performance.now();
    if (now - last < 10_000) return;
    last = now;
    const seconds = (now - started) / 1000;
    const left = (seconds * (of - done)) / done;
    const words = [`${what}: ${done}/${of} ${unit}`, ...(note ? [note] : [])].join(", ");
    console.error(`${words}, ${seconds.toFixed(0)} s elapsed, ${left.toFixed(0)} s left`);
  };
}
