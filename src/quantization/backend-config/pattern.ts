/** What a backend quantizes as one: a module class, a function, a method, or several of them in a row. */
import { OctetError } from "../../core/errors.ts";
import type { FxNode } from "../../fx/node.ts";
import { Module } from "../../nn/module.ts";
import type { ModuleClass } from "../recipes/recipe.ts";

/** In a pattern: whatever stands there, be it another operator's result or a constant (`MatchAllNode`). */
export const MatchAllNode: { readonly name: "MatchAllNode" } = Object.freeze({ name: "MatchAllNode" });

/** An operator, or any function that a graph calls as one. */
export type PatternFunction = (...args: never[]) => unknown;

/** A string is the name of a tensor method, as PyTorch writes it. */
export type PatternElement = ModuleClass | PatternFunction | string | typeof MatchAllNode;

/**
 * Given to {@link BackendPatternConfig}: a sequence in the order of computation, `[Conv2d, BatchNorm2d, ReLU]`. In the
 * nested form that graphs are matched with: an operator before its arguments, `[ReLU, [BatchNorm2d, Conv2d]]`.
 */
export type Pattern = PatternElement | readonly Pattern[];

/** The nodes that a pattern in the nested form matched. */
export type NodePattern = FxNode | readonly NodePattern[];

export function isPatternSequence(pattern: Pattern): pattern is readonly Pattern[] {
  return Array.isArray(pattern);
}

export function isModuleClass(element: unknown): element is ModuleClass {
  return typeof element === "function" && element.prototype instanceof Module;
}

/** `[a, b]` as `[b, a]`, `[a, b, c]` as `[c, [b, a]]`. */
export function nestedForm(pattern: Pattern): Pattern {
  if (!isPatternSequence(pattern)) return pattern;
  const [a, b, c] = pattern as [Pattern, Pattern, Pattern];
  if (pattern.length === 2) return [b, a];
  if (pattern.length === 3) return [c, [b, a]];
  throw new OctetError(`Expected a tuple with 2 or 3 elements, got: ${patternToHumanReadable(pattern)}`);
}

let lastIdentity = 0;
const identities = new WeakMap<object, number>();

/** A string that two patterns share exactly if they are made of the same elements. */
export function patternKey(pattern: Pattern): string {
  if (isPatternSequence(pattern)) return `(${pattern.map(patternKey).join(", ")})`;
  if (typeof pattern === "string") return JSON.stringify(pattern);
  const element = pattern as object;
  const identity = identities.get(element) ?? ++lastIdentity;
  identities.set(element, identity);
  return String(identity);
}

/** A map from patterns, which are equal if their elements are; a plain Map would tell equal sequences apart. */
export class PatternMap<V> extends Map<Pattern, V> {
  private readonly canonical = new Map<string, Pattern>();

  constructor(entries: Iterable<readonly [Pattern, V]> = []) {
    super();
    for (const [pattern, value] of entries) this.set(pattern, value);
  }

  override get(pattern: Pattern): V | undefined {
    return super.get(this.stored(pattern));
  }

  override has(pattern: Pattern): boolean {
    return super.has(this.stored(pattern));
  }

  override set(pattern: Pattern, value: V): this {
    const stored = this.stored(pattern);
    this.canonical.set(patternKey(pattern), stored);
    return super.set(stored, value);
  }

  override delete(pattern: Pattern): boolean {
    const stored = this.stored(pattern);
    this.canonical.delete(patternKey(pattern));
    return super.delete(stored);
  }

  override clear(): void {
    this.canonical.clear();
    super.clear();
  }

  private stored(pattern: Pattern): Pattern {
    return this.canonical.get(patternKey(pattern)) ?? pattern;
  }
}

/** Elements in all, at every depth. */
function patternLength(pattern: Pattern): number {
  return isPatternSequence(pattern) ? pattern.reduce<number>((sum, inner) => sum + patternLength(inner), 0) : 1;
}

/** Sequences before single elements, longer ones first, else as they were: the order in which patterns are tried. */
function byLength(a: Pattern, b: Pattern): number {
  const rank = (pattern: Pattern): number => (isPatternSequence(pattern) ? patternLength(pattern) : 0);
  return rank(b) - rank(a);
}

/** The same entries in the order in which a graph is matched (`_sorted_patterns_dict`). */
export function sortedPatternsDict<V>(patterns: ReadonlyMap<Pattern, V>): PatternMap<V> {
  return new PatternMap([...patterns].sort(([a], [b]) => byLength(a, b)));
}

/** A backend's patterns, nested, in the order in which a graph is matched. */
export function sortedPatterns<C extends { readonly complexPattern: Pattern }>(backend: {
  readonly configs: readonly C[];
}): readonly { readonly pattern: Pattern; readonly config: C }[] {
  const entries = backend.configs.map((config) => ({ pattern: config.complexPattern, config }));
  return entries.sort((a, b) => byLength(a.pattern, b.pattern));
}

/** `(Conv2d, ReLU)`; methods in quotes. */
export function patternToHumanReadable(pattern: Pattern): string {
  if (isPatternSequence(pattern)) return `(${pattern.map(patternToHumanReadable).join(", ")})`;
  if (typeof pattern === "string") return `'${pattern}'`;
  const element = pattern as { readonly name: string; readonly op?: { readonly name: string } };
  return element.op?.name ?? element.name;
}
