/**
 * Inputs from a JavaScript module of the user's own, which is run: its default export is an iterable or async iterable, or a
 * function that returns one. It yields what one call of the model takes: an object from names to tensors, or one tensor.
 * A tensor is Octet's, ONNX Runtime's (`data`, `dims`, `type`), `{ shape, data, dtype }`, or a nested array of numbers.
 */
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { DType, NumericArray } from "../../core/dtype.ts";
import { dtypeFromName, dtypeOfArray, float16, int64 } from "../../core/dtype.ts";
import { OctetError, formatShape } from "../../core/errors.ts";
import { checkedNumel } from "../../core/element-types.ts";
import { openForParts } from "../../core/files.ts";
import type { Choice, DataItem } from "../../data/source.ts";
import { DataSource } from "../../data/source.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { describe, fromDeclared, fromNested } from "./nested.ts";

type AnyIterable = Iterable<unknown> | AsyncIterable<unknown>;

/** Loads the module, which runs it. */
export async function moduleSource(path: string): Promise<DataSource> {
  openForParts(path); // for a message of one line if it is not there
  const module = await running(
    path,
    () => import(pathToFileURL(realpathSync(path)).href) as Promise<{ default?: unknown }>,
  );
  const exported = module.default;
  if (typeof exported !== "function" && !isIterable(exported)) {
    throw new OctetError(
      `${path} has no default export that yields inputs: export default async function* () { yield { input: … }; }`,
    );
  }
  return new ModuleSource(path, exported as AnyIterable | (() => unknown));
}

class ModuleSource extends DataSource {
  readonly title: string;
  readonly length: number | null;
  readonly names = null;
  private readonly exported: AnyIterable | (() => unknown);
  private started = false;

  constructor(path: string, exported: AnyIterable | (() => unknown)) {
    super();
    this.title = path;
    this.exported = exported;
    this.length = Array.isArray(exported) ? exported.length : null;
  }

  async *items(choose: (position: number) => Choice): AsyncGenerator<DataItem> {
    const values = await this.begin();
    let index = 0;
    try {
      for (;;) {
        const choice = choose(index);
        if (choice === "stop") return;
        const { done, value } = await running(`${this.title}: sample ${index}`, async () => values.next());
        if (done) break;
        const where = `${this.title}: sample ${index}`;
        if (choice === "read") yield { index, where, inputs: readInputs(await value, where) };
        index++;
      }
    } finally {
      await values.return?.();
    }
    if (index === 0) throw new OctetError(`${this.title} yields no inputs`);
  }

  private async begin(): Promise<Iterator<unknown> | AsyncIterator<unknown>> {
    const { exported, title } = this;
    const made = typeof exported === "function" ? await running(title, async () => exported()) : exported;
    if (!isIterable(made))
      throw new OctetError(`${title}: the default export returns ${describe(made)}, not an iterable`);
    const iterator =
      Symbol.asyncIterator in made ? made[Symbol.asyncIterator]() : (made as Iterable<unknown>)[Symbol.iterator]();
    if (this.started && iterator === (exported as unknown)) {
      throw new OctetError(`${title} yields its inputs only once; export the generator function, not what it returns`);
    }
    this.started = true;
    return iterator;
  }
}

function isIterable(value: unknown): value is AnyIterable {
  return typeof value === "object" && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}

/** Runs the user's code; what it throws becomes one line that names the module. */
async function running<T>(where: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).split(/[\r\n]+/, 1)[0];
    throw new OctetError(`${where}: the module failed: ${message}`, { cause: error });
  }
}

function readInputs(value: unknown, where: string): Map<string, Tensor> {
  if (Array.isArray(value) || isTensorLike(value)) return new Map([["", readTensor(value, where)]]);
  if (typeof value !== "object" || value === null) {
    throw new OctetError(`${where} is ${describe(value)}, not an object from input names to tensors`);
  }
  return new Map(
    Object.entries(value).map(([name, input]) => [name, readTensor(input, `${where}: input ${JSON.stringify(name)}`)]),
  );
}

interface TensorLike {
  readonly data: unknown;
  readonly dims?: unknown;
  readonly shape?: unknown;
  readonly type?: unknown;
  readonly dtype?: unknown;
}

function isTensorLike(value: unknown): value is Tensor | TensorLike {
  if (value instanceof Tensor) return true;
  return typeof value === "object" && value !== null && "data" in value && ("dims" in value || "shape" in value);
}

function readTensor(value: unknown, where: string): Tensor {
  if (value instanceof Tensor) return value;
  if (Array.isArray(value) || typeof value === "number") return fromNested(value, where);
  if (isOtherTensor(value)) return Tensor.fromArray(value.elements(), value.shape, dtypeFromName(value.dtype.name));
  if (!isTensorLike(value)) throw new OctetError(`${where} is ${describe(value)}, not a tensor or nested array`);
  const { data, dims, shape = dims, dtype, type = dtype } = value as TensorLike;
  if (Array.isArray(data))
    return fromDeclared({ shape, data, dtype: typeof type === "string" ? typeName(type) : undefined }, where);
  const numel = Array.isArray(shape) ? checkedNumel(shape) : null;
  const storage = storageOf(data, type);
  if (numel === null || !storage) throw new OctetError(`${where} has no usable "data" and "dims"`);
  if (storage.data.length !== numel) {
    throw new OctetError(
      `${where} has ${storage.data.length} elements, but shape ${formatShape(shape as number[])} has ${numel}`,
    );
  }
  return Tensor.fromArray(storage.data, shape as number[], storage.dtype);
}

/** A tensor of another copy of Octet: the command's own and the one that the module imports need not be the same. */
function isOtherTensor(value: unknown): value is Tensor {
  const other = value as Partial<Tensor> | null;
  return typeof other?.elements === "function" && Array.isArray(other.shape) && typeof other.dtype?.name === "string";
}

/** ONNX Runtime's names of types that PyTorch spells differently. */
function typeName(type: string): string {
  return type === "float" ? "float32" : type === "double" ? "float64" : type;
}

function storageOf(data: unknown, type: unknown): { data: NumericArray; dtype: DType } | null {
  if (!ArrayBuffer.isView(data) || data instanceof DataView) return null;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return { data: Float64Array.from(data, Number), dtype: int64 };
  }
  const array = data as NumericArray;
  if (array instanceof Uint16Array) return type === "float16" ? { data: array, dtype: float16 } : null;
  return { data: array, dtype: dtypeOfArray(array) };
}
