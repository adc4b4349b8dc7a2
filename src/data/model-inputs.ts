/** Fitting data to the inputs of a model: names, shapes and dtypes, and several samples in one batch. */
import type { DType } from "../core/dtype.ts";
import { float32, float64 } from "../core/dtype.ts";
import { OctetError, formatShape } from "../core/errors.ts";
import { to } from "../ops/conversions.ts";
import { cat } from "../ops/rearrange.ts";
import { reshape } from "../ops/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { DataItem, DataSource } from "./source.ts";
import { MappedSource } from "./source.ts";

/** An input of a model, as far as it says. */
export interface InputSpec {
  readonly name: string;
  /** Null: float inputs are taken as float32, others as they are. */
  readonly dtype: DType | null;
  /** A size is a number, the name of a free size, or null for any. A null shape says nothing. */
  readonly shape: readonly (number | string | null)[] | null;
}

/** `x float32[N, 3, ?]` */
export function formatInput({ name, dtype, shape }: InputSpec): string {
  const sizes = shape ? `[${shape.map((size) => size ?? "?").join(", ")}]` : "";
  return [name, `${dtype?.name ?? ""}${sizes}`].filter((word) => word !== "").join(" ");
}

/**
 * The source with its inputs under the model's names, in the model's order, with its dtypes. An input without a name, and
 * NumPy's own names `arr_0`, `arr_1`, … go by position. A batch axis of size 1 is added or left out where the model has one
 * axis more or less. Inputs that the model does not have are left out; `unused` names them, where that is known before.
 *
 * Throws an {@link OctetError} that lists what the model expects if a name is missing; items throw it for shapes, dtypes and
 * values that are NaN or infinite.
 */
export function fitToModel(
  source: DataSource,
  specs: readonly InputSpec[],
): { source: DataSource; unused: readonly string[] } {
  const names = source.names && namesFor(source.title, source.names, specs);
  const unused = (source.names ?? []).filter((name) => !names?.includes(name));
  const fitted = new MappedSource(
    source,
    specs.map(({ name }) => name),
    (item) => {
      const given = names ?? namesFor(item.where, [...item.inputs.keys()], specs);
      const inputs = specs.map((spec, i) => [spec.name, fitInput(item, given[i], spec)] as const);
      return { ...item, inputs: new Map(inputs) };
    },
  );
  return { source: fitted, unused };
}

/** For each input of the model, what it is called in the data. */
function namesFor(where: string, given: readonly string[], specs: readonly InputSpec[]): readonly string[] {
  if (specs.every(({ name }) => given.includes(name))) return specs.map(({ name }) => name);
  const positional = given.length === specs.length && given.every((name, i) => name === "" || name === `arr_${i}`);
  if (positional) return given;
  const expected = specs.map(formatInput).join(", ");
  const found = given.map((name) => (name === "" ? "one without a name" : name)).join(", ") || "none";
  throw new OctetError(
    `${where}: the inputs are ${found}, but the model expects ${expected || "none"}; rename them in the data`,
  );
}

function fitInput(item: DataItem, name: string, spec: InputSpec): Tensor {
  const given = item.inputs.get(name);
  if (!given)
    throw new OctetError(`${item.where} has no input ${JSON.stringify(name)}; the model expects ${formatInput(spec)}`);
  checkFinite(item.where, spec.name, given);
  return fitDtype(item.where, fitShape(item.where, given, spec), spec);
}

/** Refuses NaN and infinities, which would spoil every range that is observed. */
function checkFinite(where: string, name: string, given: Tensor): void {
  if (!given.dtype.isFloatingPoint) return;
  const elements = to(given, float32).elements();
  for (let i = 0; i < elements.length; i++) {
    if (!Number.isFinite(elements[i])) {
      const place = given.ndim ? `element ${i} of shape ${formatShape(given.shape)}` : "the only element";
      throw new OctetError(`${where}: input ${JSON.stringify(name)} holds ${elements[i]} (${place})`);
    }
  }
}

function fitShape(where: string, given: Tensor, spec: InputSpec): Tensor {
  const { shape } = spec;
  if (!shape || fits(given.shape, shape)) return given;
  const others = [[1, ...given.shape], ...(given.shape[0] === 1 ? [given.shape.slice(1)] : [])];
  const other = others.find((candidate) => fits(candidate, shape));
  if (other) return reshape(given, other);
  throw new OctetError(
    `${where}: input ${JSON.stringify(spec.name)} has shape ${formatShape(given.shape)}, but the model expects ${formatInput(spec)}`,
  );
}

/** True if a shape is one that the model takes; its first size may be a part of the model's, which is a batch. */
function fits(given: readonly number[], expected: readonly (number | string | null)[]): boolean {
  return (
    given.length === expected.length &&
    expected.every(
      (size, axis) => typeof size !== "number" || size === given[axis] || (axis === 0 && given[axis] === 1),
    )
  );
}

/** Converts without loss, except between float types. */
function fitDtype(where: string, given: Tensor, { name, dtype }: InputSpec): Tensor {
  if (dtype === null) return given.dtype.isFloatingPoint ? to(given, float32) : given;
  if (given.dtype === dtype) return given;
  const converted = to(given, dtype);
  if (!dtype.isFloatingPoint || !given.dtype.isFloatingPoint) {
    const [before, after] = [to(given, float64).elements(), to(converted, float64).elements()];
    const lost = before.findIndex((value, i) => value !== after[i]);
    if (lost >= 0) {
      throw new OctetError(
        `${where}: input ${JSON.stringify(name)} holds ${before[lost]}, but the model expects ${dtype.name}`,
      );
    }
  }
  return converted;
}

/** Several items in one call. */
export interface Batch {
  /** Places of the items in their source. */
  readonly indices: readonly number[];
  /** For messages: `samples.npz: sample 16 to 31`. */
  readonly where: string;
  readonly inputs: ReadonlyMap<string, Tensor>;
}

/**
 * Batches of `size` items, joined along the first axis; the last one may be smaller. With size 1, or where an input is a
 * single number or the sizes behind the first axis differ, items stay by themselves.
 */
export async function* batches(source: DataSource, size: number): AsyncGenerator<Batch> {
  let waiting: DataItem[] = [];
  for await (const item of source) {
    if (waiting.length && (waiting.length === size || !joinable(waiting[0], item))) {
      yield joined(waiting);
      waiting = [];
    }
    waiting.push(item);
    if (size === 1) {
      yield joined(waiting);
      waiting = [];
    }
  }
  if (waiting.length) yield joined(waiting);
}

function joinable(a: DataItem, b: DataItem): boolean {
  return [...a.inputs].every(([name, { shape }]) => {
    const other = b.inputs.get(name)?.shape;
    return shape.length > 0 && other?.length === shape.length && shape.every((n, i) => i === 0 || n === other[i]);
  });
}

function joined(items: readonly DataItem[]): Batch {
  const [first] = items;
  const indices = items.map(({ index }) => index);
  if (items.length === 1) return { indices, where: first.where, inputs: first.inputs };
  const inputs = [...first.inputs.keys()].map(
    (name) =>
      [
        name,
        cat(
          items.map((item) => item.inputs.get(name)!),
          0,
        ),
      ] as const,
  );
  const last = items[items.length - 1];
  return { indices, where: `${first.where} to ${last.index}`, inputs: new Map(inputs) };
}

/** The most samples that one call of the model can take: the size of the batch axis where it is fixed, else null. */
export function fixedBatchSize(specs: readonly InputSpec[]): number | null {
  const sizes = specs.map(({ shape }) => shape?.[0]).filter((size) => typeof size === "number");
  return sizes.length ? Math.min(...sizes) : null;
}
