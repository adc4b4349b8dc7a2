/**
 * Constructors with some of their options fixed: what `with_args` gives in PyTorch. They are data: two with the same class
 * and the same options are equal, and they print as the code that makes them.
 */
import { Module } from "../nn/module.ts";
import { OctetError } from "../core/errors.ts";

/** A class whose only constructor argument is an options object. */
// eslint-disable-next-line typescript/no-explicit-any -- each class narrows its options
export type OptionsClass<T> = new (options?: any) => T;

/** Something that makes instances: a class, or one with fixed options. */
export type Factory<T> = OptionsClass<T> | WithArgs<T>;

export class WithArgs<T> {
  readonly target: OptionsClass<T>;
  readonly args: Readonly<Record<string, unknown>>;
  /** Options whose values are computed anew for each instance. */
  readonly callableArgs: Readonly<Record<string, () => unknown>>;

  constructor(
    target: OptionsClass<T>,
    args: Readonly<Record<string, unknown>>,
    callableArgs: Readonly<Record<string, () => unknown>> = {},
  ) {
    this.target = target;
    this.args = Object.freeze({ ...args });
    this.callableArgs = Object.freeze({ ...callableArgs });
    Object.freeze(this);
  }

  /** A new instance. */
  create(): T {
    const wanted = Object.entries(this.callableArgs).filter(([key]) => !(key in this.args));
    return new this.target({ ...this.args, ...Object.fromEntries(wanted.map(([key, make]) => [key, make()])) });
  }

  /** The same class with more options fixed; later ones win. */
  withArgs(args: Readonly<Record<string, unknown>>): WithArgs<T> {
    return new WithArgs(this.target, { ...this.args, ...args }, this.callableArgs);
  }

  /** The same class with options that are computed anew for each instance; they replace fixed ones of the same names. */
  withCallableArgs(callableArgs: Readonly<Record<string, () => unknown>>): WithArgs<T> {
    const kept = Object.entries(this.args).filter(([key]) => !(key in callableArgs));
    return new WithArgs(this.target, Object.fromEntries(kept), { ...this.callableArgs, ...callableArgs });
  }

  equals(other: unknown): boolean {
    if (!(other instanceof WithArgs) || other.target !== this.target) return false;
    return sameRecord(this.args, other.args) && sameRecord(this.callableArgs, other.callableArgs);
  }

  toString(): string {
    const args = Object.entries(this.args).map(([key, value]) => `${key}: ${printOption(value)}`);
    return `${this.target.name}.withArgs({ ${args.join(", ")} })`;
  }
}

/** Makes an instance from a class or a {@link WithArgs}. */
export function create<T>(factory: Factory<T>): T {
  return factory instanceof WithArgs ? factory.create() : new factory();
}

/** Makes an instance with more options than the factory has fixed. */
export function createWith<T>(factory: Factory<T>, options: Readonly<Record<string, unknown>>): T {
  return (factory instanceof WithArgs ? factory : new WithArgs(factory, {})).withArgs(options).create();
}

/** True if both make the same thing. */
export function sameFactory(a: unknown, b: unknown): boolean {
  return a === b || (a instanceof WithArgs && a.equals(b));
}

/** Refuses instances where a factory is wanted, with the sentence of PyTorch's QConfig. */
export function checkFactory(where: string, value: unknown): void {
  if (value instanceof Module) {
    throw new OctetError(
      `${where} received observer instance, please pass observer class instead. ` +
        "Use MyObserver.withArgs({ x: 1 }) to override arguments to constructor if needed",
    );
  }
}

/** The class that a factory instantiates. */
export function targetOf<T>(factory: Factory<T>): OptionsClass<T> {
  return factory instanceof WithArgs ? factory.target : factory;
}

/** True if both have the same keys with the same values; factories are compared by what they make. */
export function sameRecord(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && sameFactory(a[key], b[key]));
}

function printOption(value: unknown): string {
  if (typeof value === "function") return value.name || "() => …";
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
