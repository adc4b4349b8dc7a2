/**
 * Calibrating on data that streams. What the observers have noted is written down every few seconds, so that a run that was
 * killed goes on where it was when it is started again with the same model, data and settings.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { OctetError } from "../../core/errors.ts";
import { parseFile, writeFileAtomic } from "../../core/files.ts";
import type { DataSource } from "../../data/source.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import type { GraphModule } from "../../fx/graph-module.ts";
import { isJsonObject, parseJson } from "../../io/json.ts";
import type { ObserverStates } from "../../quantization/calibrate.ts";
import { mergeObserverStates, observerStates } from "../../quantization/calibrate.ts";
import type { CommandIo } from "../io.ts";
import { note } from "../io.ts";
import { withProgress } from "../progress.ts";

const SECONDS_BETWEEN_CHECKPOINTS = 10;

export interface CalibrationJob {
  readonly prepared: GraphModule;
  readonly source: DataSource;
  /** Names of the model's inputs, in its order. */
  readonly inputs: readonly string[];
  /** Where to keep what was noted so far. */
  readonly checkpoint: string;
  /** Tells one job from another: of the model, the data and the settings. */
  readonly fingerprint: string;
}

/** Returns the number of samples that the observers have seen. */
export async function runCalibration(job: CalibrationJob, io: CommandIo): Promise<number> {
  const { prepared, source, inputs, checkpoint } = job;
  const done = resume(job);
  if (done > 0) note(io, `going on after ${done} samples that an earlier run calibrated on`);
  let samples = done;
  let saved = performance.now();
  await withProgress(io, { what: "calibrating", unit: "samples", total: source.length }, async (progress) => {
    for await (const item of source.items((position) => (position < done ? "skip" : "read"))) {
      noGrad(() => prepared(...inputs.map((name) => item.inputs.get(name))) as unknown);
      await progress.report(++samples);
      if (performance.now() - saved < 1000 * SECONDS_BETWEEN_CHECKPOINTS) continue;
      save(job, samples);
      saved = performance.now();
    }
  });
  if (samples === 0) throw new OctetError(`${source.title}: no sample is left to calibrate on`);
  rmSync(checkpoint, { force: true });
  return samples;
}

function save({ prepared, checkpoint, fingerprint }: CalibrationJob, samples: number): void {
  mkdirSync(path.dirname(checkpoint), { recursive: true });
  writeJson(checkpoint, { fingerprint, states: observerStates(prepared, samples) });
}

/** The number of samples of an earlier run of the same job; anything else that lies there is left alone until it is replaced. */
function resume({ prepared, checkpoint, fingerprint }: CalibrationJob): number {
  if (!existsSync(checkpoint)) return 0;
  const found = parseFile(checkpoint, (bytes) => parseJson(bytes, checkpoint));
  if (!isJsonObject(found) || found.fingerprint !== fingerprint) return 0;
  return mergeObserverStates(prepared, [found.states as ObserverStates]);
}

export function writeJson(file: string, value: unknown): void {
  writeFileAtomic(file, new TextEncoder().encode(`${JSON.stringify(value)}\n`));
}

/** Observer states that `octet calibrate` wrote. */
export function readStates(file: string): ObserverStates {
  const value = parseFile(file, (bytes) => parseJson(bytes, file));
  if (!isJsonObject(value) || !isJsonObject(value.observers)) {
    throw new OctetError(`${file} holds no observer states, as octet calibrate writes them`);
  }
  return value as unknown as ObserverStates;
}
