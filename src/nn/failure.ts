/**
 * Where in a model a call failed: errors that pass through module calls get the path of the module they come from, and what
 * its inputs have to do with them. Runs only when something has failed.
 */
import { OctetError } from "../core/errors.ts";
import { Tensor } from "../tensor/tensor.ts";

/** What is asked of a module; the class itself imports this file. */
interface FailingModule {
  getName(): string;
  namedModules(): Iterable<[string, FailingModule]>;
  ownParameters(): Iterable<[string, Tensor]>;
}

interface Failure {
  /** The innermost module whose call failed. */
  readonly module: FailingModule;
  /** The message without a place. */
  readonly message: string;
}

const failures = new WeakMap<OctetError, Failure>();

/**
 * Adds to an error's message where in `caller` it happened. Every module call that the error passes does so; the last word is the
 * outermost's, which sees the whole path. The path of a module that its caller does not hold is the last one known; a module that was
 * called by itself needs no path. Errors of other classes are left alone.
 */
export function locateFailure(error: unknown, caller: FailingModule, inputs: readonly unknown[]): void {
  if (!(error instanceof OctetError)) return;
  let failure = failures.get(error);
  if (!failure) {
    failure = { module: caller, message: explained(error.message, caller, inputs) };
    failures.set(error, failure);
    rewrite(error, failure.message);
  }
  for (const [path, module] of caller.namedModules()) {
    if (module !== failure.module || path === "") continue;
    rewrite(error, placed(failure.message, `in module "${path}" (${module.getName()})`));
    return;
  }
}

/** A float module that chokes on a quantized tensor says things about dtypes; this says why. */
function explained(message: string, module: FailingModule, inputs: readonly unknown[]): string {
  // A value that is being traced has no quantizer of its own, and refuses to be asked.
  const isQuantized = (value: unknown): boolean =>
    value instanceof Tensor
      ? Object.hasOwn(value, "quantizer") && value.isQuantized
      : Array.isArray(value) && value.some(isQuantized);
  const told = message.includes("DeQuantStub") || message.includes("quantized::");
  const [parameter] = module.ownParameters();
  if (told || !parameter || parameter[1].isQuantized || !isQuantized(inputs)) return message;
  return `${message}; its input is a quantized tensor: place a DeQuantStub before it`;
}

/** Between PyTorch's sentence about backends and the reason that follows it, else at the end. */
function placed(message: string, place: string): string {
  const [sentence, ...reason] = message.split(" backend: ");
  return reason.length ? `${sentence} backend, ${place}: ${reason.join(" backend: ")}` : `${message} (${place})`;
}

/** Changes the message, also where the stack repeats it. */
function rewrite(error: Error, message: string): void {
  if (typeof error.stack === "string") error.stack = error.stack.replace(error.message, () => message);
  error.message = message;
}
