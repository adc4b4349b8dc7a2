/**
 * Timing contestants against each other on a machine that is not quiet. Contestants of one case run in turn, a short
 * batch each, round after round, so that a slow spell hits all of them; the median and the extremes of the rounds are
 * reported. Compare within one case of one run: absolute figures drift with the machine.
 */

/** Someone who can do a case's work. */
export interface Contestant {
  readonly who: string;
  run(): void | Promise<void>;
}

/** A contestant who should have been there. */
export interface Absentee {
  readonly who: string;
  readonly notAvailable: string;
}

export interface BenchCase {
  /** Cases are chosen by group on the command line. */
  readonly group: string;
  readonly name: string;
  /** Floating-point operations of one run, if that is a measure: a multiply-add counts two. */
  readonly flops?: number;
  readonly contestants: readonly (Contestant | Absentee)[];
}

/** A case's time for one contestant, in milliseconds a run. */
export interface Timing {
  readonly who: string;
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** At the median, in 10⁹ operations a second. */
  readonly gflops: number | null;
}

export interface CaseResult {
  readonly group: string;
  readonly name: string;
  readonly timings: readonly Timing[];
  readonly absent: readonly Absentee[];
}

export interface HarnessOptions {
  readonly rounds: number;
  /** How long one batch of a contestant lasts, roughly. */
  readonly batchMs: number;
  readonly warmUpMs: number;
}

export const DEFAULT_OPTIONS: HarnessOptions = { rounds: 15, batchMs: 25, warmUpMs: 150 };

export async function runCase(benchCase: BenchCase, options = DEFAULT_OPTIONS): Promise<CaseResult> {
  const { group, name, flops, contestants } = benchCase;
  const absent = contestants.filter((c) => "notAvailable" in c);
  const present = contestants.filter((c) => "run" in c);
  const batches: Batch[] = [];
  for (const contestant of present) batches.push(await warmUp(contestant, options));
  for (let round = 0; round < options.rounds; round++) {
    for (let i = 0; i < batches.length; i++) await runBatch(batches[(round + i) % batches.length]);
  }
  return { group, name, absent, timings: batches.map((batch) => timingOf(batch, flops)) };
}

interface Batch {
  readonly contestant: Contestant;
  readonly runs: number;
  readonly timesMs: number[];
}

/** Runs until compilers and caches have settled, and chooses how many runs make a batch. */
async function warmUp(contestant: Contestant, { warmUpMs, batchMs }: HarnessOptions): Promise<Batch> {
  const start = performance.now();
  let fastest = Infinity;
  for (let runs = 0; runs < 3 || performance.now() - start < warmUpMs; runs++) {
    const before = performance.now();
    await contestant.run();
    fastest = Math.min(fastest, performance.now() - before);
  }
  return { contestant, runs: Math.max(1, Math.ceil(batchMs / Math.max(fastest, 1e-3))), timesMs: [] };
}

async function runBatch({ contestant, runs, timesMs }: Batch): Promise<void> {
  const start = performance.now();
  for (let i = 0; i < runs; i++) {
    const pending = contestant.run();
    if (pending) await pending; // awaiting what is synchronous would be charged to it
  }
  timesMs.push((performance.now() - start) / runs);
}

function timingOf({ contestant, timesMs }: Batch, flops: number | undefined): Timing {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const medianMs = sorted[sorted.length >> 1];
  return {
    who: contestant.who,
    medianMs,
    minMs: sorted[0],
    maxMs: sorted[sorted.length - 1],
    gflops: flops === undefined ? null : flops / medianMs / 1e6,
  };
}

/** A result as lines of text; ratios are to the first contestant's median. */
export function formatResult({ group, name, timings, absent }: CaseResult): string {
  const lines = timings.map(({ who, medianMs, minMs, maxMs, gflops }) => {
    const rate = gflops === null ? "" : `${gflops.toFixed(1).padStart(7)} GFLOP/s`;
    const spread = `(${minMs.toFixed(3)} – ${maxMs.toFixed(3)})`;
    const ratio = `× ${(medianMs / timings[0].medianMs).toFixed(2)}`;
    return `  ${who.padEnd(38)}${medianMs.toFixed(3).padStart(10)} ms ${spread.padEnd(24)}${rate}  ${ratio}`;
  });
  const missing = absent.map(({ who, notAvailable }) => `  ${who.padEnd(38)} not available: ${notAvailable}`);
  return [`${group}: ${name}`, ...lines, ...missing].join("\n");
}
