/**
 * Quantization patterns name operators, not dtypes: an `add` of two shapes looks like an `add` of two images. So what works on
 * integers and truth values goes into the graph under another name, which no pattern knows.
 */
import { traceable } from "../../ops/op.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { camelCase } from "../../fx/names.ts";
import type { Callee } from "../import-context.ts";

const plainForms = new Map<Callee, Callee>();
const plainMethods = new Map<string, Callee>();
/** The function, or the name of the method, that a form stands for. */
const origins = new Map<unknown, Callee | string>();

/** `fn` under a name of its own; always the same function for the same one. */
export function plain(fn: Callee): Callee {
  let form = plainForms.get(fn);
  if (!form) plainForms.set(fn, (form = traceable(`onnx.${nameOf(fn)}`, (...args: never[]) => fn(...args))));
  origins.set(form, fn);
  return form;
}

/** A Tensor method, by PyTorch's name, as such a function. */
export function plainMethod(name: string): Callee {
  let form = plainMethods.get(name);
  if (!form) {
    const key = camelCase(name) as "reshape";
    form = traceable(`onnx.${key}`, (x: Tensor, ...args: number[]) => x[key](...args));
    plainMethods.set(name, form);
    origins.set(form, name);
  }
  return form;
}

/** The function behind a plain form, or PyTorch's name of the method; null for other functions. */
export function originOfPlain(form: unknown): Callee | string | null {
  return origins.get(form) ?? null;
}

function nameOf(fn: Callee): string {
  return ("op" in fn ? (fn.op as { readonly name: string }).name : fn.name).replace(/^.*\./, "");
}
