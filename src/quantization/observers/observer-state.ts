/** The observers' part of a model's state, and observers from JSON. */
import { OctetError } from "../../core/errors.ts";
import type { Module } from "../../nn/module.ts";
import type { StateDictLike } from "../../nn/state-dict.ts";
import { StateDict, toStateMap } from "../../nn/state-dict.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import { FakeQuantizeBase } from "../fake-quantize.ts";
import type { OptionsClass } from "../with-args.ts";
import { HistogramObserver } from "./histogram.ts";
import type { ObserverJSON } from "./json.ts";
import { decodeOptions, decodeTensor } from "./json.ts";
import { MinMaxObserver, MovingAverageMinMaxObserver } from "./min-max.ts";
import { ObserverBase } from "./observer-base.ts";
import {
  FixedQParamsObserver,
  NoopObserver,
  PlaceholderObserver,
  RecordingObserver,
  ReuseInputObserver,
} from "./pass-through.ts";
import { MovingAveragePerChannelMinMaxObserver, PerChannelMinMaxObserver } from "./per-channel.ts";

/** True for observers and fake-quantize modules. */
export function _isActivationPostProcess(module: unknown): module is ObserverBase | FakeQuantizeBase {
  return module instanceof ObserverBase || module instanceof FakeQuantizeBase;
}

/** The entries of a model's state dict that belong to observers (`get_observer_state_dict`). */
export function getObserverStateDict(model: Module): StateDict {
  const state = model.stateDict();
  const found = new StateDict();
  for (const [key, tensor] of state) if (key.includes("activation_post_process")) found.set(key, tensor);
  for (const [path, metadata] of state.metadata) found.metadata.set(path, metadata);
  return found;
}

/**
 * Loads what {@link getObserverStateDict} gave into the observers of a model (`load_observer_state_dict`). Throws if an
 * observer's key is missing, or if one is left over.
 */
export function loadObserverStateDict(model: Module, state: StateDictLike): void {
  const map = toStateMap(state);
  const metadata = map instanceof StateDict ? map.metadata : new Map<string, { version: number }>();
  const context = { state: map, metadata, assign: false, missingKeys: [], unexpectedKeys: [], errors: [] };
  const used = new Set<string>();
  noGrad(() => {
    for (const [path, module] of model.namedModules()) {
      if (!_isActivationPostProcess(module)) continue;
      for (const key of module.loadFromStateDict(context, path ? `${path}.` : "")) used.add(key);
    }
  });
  const isObserverKey = (key: string) => key.includes("observer") || key.includes("activation_post_process");
  const missing = (context.missingKeys as string[]).find(isObserverKey);
  if (missing !== undefined) throw new OctetError(`Missing keys for observer ${missing} in state_dict`);
  const unexpected = [...map.keys()].find((key) => isObserverKey(key) && !used.has(key));
  if (unexpected !== undefined) throw new OctetError(`Unexpected keys for observer ${unexpected} in state_dict`);
  if (context.errors.length) throw new OctetError(`loadObserverStateDict: ${context.errors.join("; ")}`);
}

type ObserverClasses = Readonly<Record<string, OptionsClass<ObserverBase>>>;

const ownClasses: ObserverClasses = {
  MinMaxObserver,
  MovingAverageMinMaxObserver,
  PerChannelMinMaxObserver,
  MovingAveragePerChannelMinMaxObserver,
  HistogramObserver,
  FixedQParamsObserver,
  PlaceholderObserver,
  RecordingObserver,
  NoopObserver,
  ReuseInputObserver,
};

/**
 * An observer in the state that its `toJSON` wrote down, exactly. Classes of one's own are passed by name:
 * `observerFromJSON(json, { MyObserver })`.
 */
export function observerFromJSON(json: ObserverJSON, classes: ObserverClasses = {}): ObserverBase {
  const name = json.class;
  const known = { ...ownClasses, ...classes };
  if (!Object.hasOwn(known, name)) {
    throw new OctetError(`observerFromJSON: unknown class "${name}"; known: ${Object.keys(known).join(", ")}`);
  }
  const observer = new known[name](decodeOptions(json.options));
  observer.loadStateDict(new Map(Object.entries(json.state).map(([key, value]) => [key, decodeTensor(value)])));
  if (json.history !== null && json.history !== undefined) observer.loadHistory(json.history);
  return observer;
}
