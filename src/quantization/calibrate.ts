/**
 * Calibration: a prepared model runs on samples, one after the other, and its observers take notes. What they noted can be
 * written down and merged, so that the samples may be spread over processes or machines, and a run that was stopped can go on.
 */
import { noGrad } from "../autograd/grad-mode.ts";
import { OctetError } from "../core/errors.ts";
import type { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ObserverJSON } from "./observers/json.ts";
import { ObserverBase } from "./observers/observer-base.ts";
import { observerFromJSON } from "./observers/observer-state.ts";

export interface CalibrateOptions {
  /** Called after each sample with the number of samples so far. */
  readonly onSample?: (samples: number) => void;
}

/** Runs `prepared` on every sample's inputs and returns how many samples there were. Nothing of them is kept. */
export async function calibrate(
  prepared: Module,
  samples: AsyncIterable<readonly Tensor[]> | Iterable<readonly Tensor[]>,
  { onSample }: CalibrateOptions = {},
): Promise<number> {
  if (prepared.training) throw new OctetError("calibrate: the model is in training mode; call eval() first");
  let count = 0;
  for await (const inputs of samples) {
    noGrad(() => prepared(...inputs) as unknown);
    count++;
    onSample?.(count);
  }
  return count;
}

export const OBSERVER_STATES_FORMAT = "octet-observer-states";

/** What the observers of a prepared model have noted, as plain data. */
export interface ObserverStates {
  readonly format: typeof OBSERVER_STATES_FORMAT;
  readonly version: 1;
  /** Number of samples behind them. */
  readonly samples: number;
  /** By path; an observer that several paths share stands under the first. */
  readonly observers: Readonly<Record<string, ObserverJSON>>;
}

export function observerStates(prepared: Module, samples: number): ObserverStates {
  const observers = [...observersOf(prepared)].map(([path, observer]) => [path, observer.toJSON()]);
  return {
    format: OBSERVER_STATES_FORMAT,
    version: 1,
    samples,
    observers: Object.fromEntries(observers) as ObserverStates["observers"],
  };
}

/**
 * Lets the observers of `prepared` take over what others have noted, as if they had seen those samples too. Ranges are
 * exactly those of one run over all samples; histograms may differ by a bin.
 *
 * @returns the number of samples behind the states.
 * @throws if the states are of another model, or were made with other settings.
 */
export function mergeObserverStates(prepared: Module, states: readonly ObserverStates[]): number {
  const observers = new Map(observersOf(prepared));
  let samples = 0;
  for (const state of states) {
    checkStates(state, observers);
    for (const [path, observer] of observers) observer.merge(observerFromJSON(state.observers[path]));
    samples += state.samples;
  }
  return samples;
}

function checkStates(states: ObserverStates, observers: ReadonlyMap<string, ObserverBase>): void {
  const { format, version, samples, observers: given } = states;
  if (format !== OBSERVER_STATES_FORMAT || version !== 1 || !Number.isInteger(samples) || samples < 0) {
    throw new OctetError("mergeObserverStates: not the observer states that octet calibrate writes (version 1)");
  }
  const missing = [...observers.keys()].find((path) => !Object.hasOwn(given, path));
  const unknown = Object.keys(given).find((path) => !observers.has(path));
  if (missing === undefined && unknown === undefined) return;
  throw new OctetError(
    `mergeObserverStates: the states are of another model or were made with other settings: ` +
      (missing === undefined ? `the model has no observer ${unknown}` : `observer ${missing} is missing in them`),
  );
}

function* observersOf(model: Module): Iterable<[string, ObserverBase]> {
  for (const [path, module] of model.namedModules()) if (module instanceof ObserverBase) yield [path, module];
}
