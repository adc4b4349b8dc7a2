/**
 * How far a long job is, on stderr: a bar on a terminal, a line every few seconds elsewhere; nothing for what takes less
 * than two seconds. Jobs compute without pause, so reporting is also where they let the event loop run, and where Ctrl-C
 * gets through to them.
 */
import { SingleBar } from "cli-progress";
import type { CommandIo } from "./io.ts";

/** Milliseconds. */
const [QUIET, BETWEEN_LINES, BETWEEN_BREATHS] = [2000, 5000, 50];

export interface Progress {
  /** So many of the steps are done. Throws the signal's reason if the user wants to stop. */
  report(done: number): Promise<void>;
}

export interface ProgressOptions {
  /** `calibrating` */
  readonly what: string;
  /** `samples` */
  readonly unit: string;
  /** Null where nobody knows. */
  readonly total: number | null;
}

/** Runs `body` with its progress on show, and clears the bar away at the end. */
export async function withProgress<T>(
  io: CommandIo,
  options: ProgressOptions,
  body: (progress: Progress) => Promise<T>,
): Promise<T> {
  const display = io.stderr.isTTY ? new BarDisplay(io, options) : new LineDisplay(io, options);
  const started = performance.now();
  let breathed = started;
  const report = async (done: number): Promise<void> => {
    const now = performance.now();
    if (now - breathed < BETWEEN_BREATHS) return;
    await new Promise((resolve) => void setImmediate(resolve));
    io.signal.throwIfAborted();
    breathed = performance.now();
    if (now - started > QUIET) display.show(done, (now - started) / 1000);
  };
  try {
    return await body({ report });
  } finally {
    display.end();
  }
}

interface Display {
  show(done: number, seconds: number): void;
  end(): void;
}

class BarDisplay implements Display {
  private readonly bar: SingleBar;
  private readonly total: number | null;
  private shown = false;

  constructor(io: CommandIo, { what, unit, total }: ProgressOptions) {
    const format =
      total === null ? `${what}: {value} ${unit}, {time}` : `${what} [{bar}] {value}/{total} ${unit}, {time}`;
    this.total = total;
    this.bar = new SingleBar({
      format,
      stream: io.stderr,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 30,
      clearOnComplete: true,
      hideCursor: true,
      emptyOnZero: true,
      gracefulExit: false,
    });
  }

  show(done: number, seconds: number): void {
    const payload = { time: timeText(done, seconds, this.total) };
    if (!this.shown) this.bar.start(this.total ?? 0, done, payload);
    else this.bar.update(done, payload);
    this.shown = true;
  }

  end(): void {
    if (this.shown) this.bar.stop();
  }
}

class LineDisplay implements Display {
  private readonly io: CommandIo;
  private readonly options: ProgressOptions;
  private last = -Infinity;

  constructor(io: CommandIo, options: ProgressOptions) {
    this.io = io;
    this.options = options;
  }

  show(done: number, seconds: number): void {
    if ((seconds - this.last) * 1000 < BETWEEN_LINES) return;
    this.last = seconds;
    const { what, unit, total } = this.options;
    const count = total === null ? done : `${done}/${total}`;
    this.io.stderr.write(`${what}: ${count} ${unit}, ${timeText(done, seconds, total)}\n`);
  }

  end(): void {}
}

/** `1 min 20 s left`, from the speed so far; the time that has gone by where the end is not known. */
export function timeText(done: number, seconds: number, total: number | null): string {
  return total === null || done === 0
    ? formatSeconds(seconds)
    : `${formatSeconds((seconds * (total - done)) / done)} left`;
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
