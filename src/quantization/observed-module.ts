/** What quantization attaches to modules: a qconfig, and an observer that sees the module's output (or input). */
import type { ForwardHook, ForwardPreHook, Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { QConfig } from "./qconfig.ts";

declare module "../nn/module.ts" {
  interface Module {
    /** How to quantize this module and what lies below it; null keeps it float; undefined inherits. */
    qconfig?: QConfig | null;
  }
}

/** The name under which a module carries its observer, in state dicts too. */
export const OBSERVER_NAME = "activation_post_process";

/** An observer or fake-quantize module. */
export type ActivationPostProcess = Module & { calculateQparams(): [scale: Tensor, zeroPoint: Tensor] };

/** The observer that {@link attachObserver} gave to a module, if any. */
export function observerOf(module: Module): ActivationPostProcess | null {
  return (module as { [OBSERVER_NAME]?: ActivationPostProcess })[OBSERVER_NAME] ?? null;
}

// The hooks find the observer through the module they are called for, so that a deep copy observes with its own.
export const observeOutput: ForwardHook = (module, _args, output) => observerOf(module)?.(output);
export const observeInput: ForwardPreHook = (module, args) => [
  observerOf(module)?.(args[0]) ?? args[0],
  ...args.slice(1),
];

/**
 * Makes `observer` see what `module` returns, before any other hook; or with `input`, what it is called with (for
 * observers without memory, whose qparams serve this very call).
 */
export function attachObserver(module: Module, observer: Module, options: { input: boolean }): void {
  // As a property, not as a child: a container would run a child as one of its modules.
  (module as { [OBSERVER_NAME]?: unknown })[OBSERVER_NAME] = observer;
  if (options.input) module.registerForwardPreHook(observeInput, { prepend: true });
  else module.registerForwardHook(observeOutput, { prepend: true });
}

/** Takes a module's observer and its hook away. */
export function detachObserver(module: Module): void {
  const observer = observerOf(module);
  // What stands under the name without being an observer (the Identity of a FloatFunctional) stays.
  if (observer && "calculateQparams" in observer) delete (module as { [OBSERVER_NAME]?: unknown })[OBSERVER_NAME];
  module.removeHook(observeInput);
  module.removeHook(observeOutput);
}

/** Moves the hooks of `from` to `to`, except those of its observer. */
export function moveHooks(from: Module, to: Module, which: "pre" | "post" | "both" = "both"): void {
  const { pre, post } = from.registeredHooks();
  for (const hook of which === "post" ? [] : pre) {
    if (hook === observeInput) continue;
    from.removeHook(hook);
    to.registerForwardPreHook(hook);
  }
  for (const hook of which === "pre" ? [] : post) {
    if (hook === observeOutput) continue;
    from.removeHook(hook);
    to.registerForwardHook(hook);
  }
}
