/**
 * The Python globals that a PyTorch checkpoint may name, and what calling them makes. Everything else is refused by name
 * before anything is built from it: a checkpoint holds tensors, numbers, strings and containers, never code.
 */
import type { DType } from "../core/dtype.ts";
import { bool, float16, float32, float64, int16, int32, int64, int8, uint8 } from "../core/dtype.ts";
import { FileFormatError, formatShape } from "../core/errors.ts";
import { MAX_ELEMENTS } from "../core/shape.ts";
import { Parameter } from "../nn/parameter.ts";
import type { Storage } from "../tensor/tensor.ts";
import { Tensor } from "../tensor/tensor.ts";
import { quantizedStorages, quantizedTensor, restoreScriptObject } from "./checkpoint-quantized.ts";
import type { ElementName, ElementType } from "../core/element-types.ts";
import { checkedNumel, elementTypeOf, elementTypes, isCount } from "../core/element-types.ts";
import type { PickleHost } from "./pickle.ts";
import { hashable, isTuple } from "./pickle.ts";
import type { PickleValue } from "./pickle-values.ts";
import { OrderedDict, PythonName, ScriptObject, StorageReference, describe } from "./pickle-values.ts";
import { storedTypeOf } from "./quantized-tensors.ts";

/** Where a checkpoint keeps the bytes of its storages. */
export interface StorageSource {
  /** Called for every mention of a storage. */
  declare(reference: StorageReference): void;
  /** The storage as elements of `type`; the same object each time. Its data may be filled in only later. */
  open(reference: StorageReference, type: ElementType): Storage;
  /** Runs an action as soon as the storages hold their data. */
  whenFilled(action: () => void): void;
}

function fail(message: string): never {
  throw new FileFormatError(`checkpoint: ${message}`);
}

const MAX_RANK = 64;

const plainDtypes = [float32, float64, float16, int8, uint8, int16, int32, int64, bool];

const dtypes: ReadonlyMap<string, DType> = new Map(
  [...plainDtypes, ...quantizedStorages.values()].map((dtype) => [String(dtype), dtype]),
);

/** Element types of dtypes that exist in PyTorch only; tensors of them are widened. */
const foreignDtypes: ReadonlyMap<string, ElementType> = new Map([
  ["torch.bfloat16", elementTypes.BF16],
  ["torch.uint16", elementTypes.U16],
  ["torch.uint32", elementTypes.U32],
  ["torch.uint64", elementTypes.U64],
]);

const UNTYPED = "torch.storage.UntypedStorage";

const storageTypes: ReadonlyMap<string, ElementType> = new Map(
  (
    [
      ["Double", "F64"],
      ["Float", "F32"],
      ["Half", "F16"],
      ["BFloat16", "BF16"],
      ["Long", "I64"],
      ["Int", "I32"],
      ["Short", "I16"],
      ["Char", "I8"],
      ["Byte", "U8"],
      ["Bool", "BOOL"],
    ] satisfies [string, ElementName][]
  ).flatMap(([name, type]): [string, ElementType][] => [
    [`torch.${name}Storage`, elementTypes[type]],
    [`torch.cuda.${name}Storage`, elementTypes[type]],
  ]),
);

/** The elements of a storage class: those of quantized ones are plain integers. */
function elementsOf(storageClass: string): ElementType | undefined {
  const quantized = quantizedStorages.get(storageClass);
  return quantized ? storedTypeOf(quantized) : storageTypes.get(storageClass);
}

/** Classes a tensor may say it has. */
const tensorClasses: ReadonlySet<string> = new Set([
  "torch.Tensor",
  "torch.nn.parameter.Parameter",
  "torch.nn.parameter.Buffer",
]);

/** Globals that stand for themselves: they may be stored as values, and name a factory or a tensor's class. */
const plainNames: ReadonlySet<string> = new Set([
  ...["bfloat16", "uint16", "uint32", "uint64", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2"].map(
    (n) => `torch.${n}`,
  ),
  ...["per_tensor_affine", "per_tensor_symmetric", "per_channel_affine", "per_channel_symmetric"].map(
    (n) => `torch.${n}`,
  ),
  "torch.per_channel_affine_float_qparams",
  ...["strided", "contiguous_format", "channels_last", "channels_last_3d", "preserve_format"].map((n) => `torch.${n}`),
  ...tensorClasses,
  UNTYPED,
  ...["int", "float", "bool", "str", "bytes", "long", "unicode", "list", "dict", "tuple"].map(
    (name) => `builtins.${name}`,
  ),
]);

/** What is known, and why it is not loaded. */
const refusals: ReadonlyMap<string, string> = new Map([
  ...["ComplexFloat", "ComplexDouble"].map(
    (name) => [`torch.${name}Storage`, "complex tensors are not supported"] as const,
  ),
  ["torch._utils._rebuild_sparse_tensor", "sparse tensors are not supported"],
  ["torch._utils._rebuild_nested_tensor", "nested tensors are not supported"],
  ["torch._utils._rebuild_meta_tensor_no_storage", "meta tensors have no values to load"],
  ["torch.storage._load_from_bytes", "a checkpoint inside a checkpoint is not loaded"],
]);

/** Protocol 2 writes some modules under their Python 2 names. */
const modernModules: ReadonlyMap<string, string> = new Map([["__builtin__", "builtins"]]);

/** What an allowed function needs to know besides its arguments. */
interface CallContext {
  readonly storages: StorageSource;
  /**
   * Counts `count` elements as copied. A pickle may pass one long list to many calls; bounding the sum keeps the work in
   * proportion to the file.
   */
  spend(count: number): void;
  /** As `spend` for values that lie in storages; in proportion to the file, not to the pickle. */
  spendData(count: number): void;
}

type Callable = (args: readonly PickleValue[], context: CallContext) => PickleValue;

const tensorCalls: Readonly<Record<string, Callable>> = {
  "torch._utils._rebuild_tensor": rebuildTensor,
  "torch._utils._rebuild_tensor_v2": rebuildTensor,
  "torch._utils._rebuild_tensor_v3": rebuildTensorOfDtype,
  "torch._utils._rebuild_qtensor": rebuildQuantized,
  "torch._utils._rebuild_parameter": rebuildParameter,
  "torch._utils._rebuild_parameter_with_state": rebuildParameter,
};

const calls: ReadonlyMap<string, Callable> = new Map<string, Callable>([
  ...Object.entries(tensorCalls),
  ["torch._tensor._rebuild_from_type_v2", rebuildFromType],
  ["torch.ScriptObject", () => new ScriptObject()],
  ["torch.Size", (args, context) => Object.freeze(wholeNumbers("torch.Size", items("torch.Size", args, context)))],
  [
    "torch.device",
    ([type, index]) => (index === undefined ? text("torch.device", type) : `${text("torch.device", type)}:${index}`),
  ],
  ["collections.OrderedDict", (args, context) => addPairs(new OrderedDict(), items("OrderedDict", args, context))],
  ["collections.defaultdict", () => new Map()], // its factory is dropped; the items follow
  ["collections.Counter", copyDict],
  ["builtins.set", (args, context) => new Set(items("set", args, context).map(hashable))],
  ["builtins.frozenset", (args, context) => new Set(items("frozenset", args, context).map(hashable))],
  ["builtins.bytearray", makeBytes],
  ["_codecs.encode", makeBytes],
]);

/** How many elements the calls in a pickle may copy in all. */
export interface CopyBudget {
  /** Of the pickle's own containers. */
  readonly items: number;
  /** Of tensors: qparams, and values that share bytes. */
  readonly data: number;
}

/** A host for the unpickler that knows PyTorch's globals and takes tensors from `storages`. */
export function checkpointHost(storages: StorageSource, budget: CopyBudget): PickleHost {
  const spender = (limit: number, what: string) => {
    let left = limit;
    return (count: number) => {
      left -= count;
      if (left < 0) fail(`the pickle copies its ${what} more often than any checkpoint would`);
    };
  };
  const context: CallContext = {
    storages,
    spend: spender(budget.items, "containers"),
    spendData: spender(budget.data, "tensors"),
  };
  return {
    global: findGlobal,
    call: (callee, args) => {
      const run = calls.get(callee.pythonName);
      if (!run) fail(`the pickle calls ${callee}, which makes no value here`);
      return run(args, context);
    },
    persistent: (id) => readStorageId(id, storages),
    restore: restoreScriptObject,
  };
}

/** A host for pickles of plain values: no globals, no storages. */
export const plainHost: PickleHost = {
  global: (module, name) => fail(refusal(`${module}.${name}`)),
  call: (callee) => fail(`the pickle calls ${callee}, which makes no value here`),
  persistent: () => fail("the pickle names a storage where none may stand"),
  restore: () => fail("the pickle has an object where none may stand"),
};

function findGlobal(module: string, name: string): PickleValue {
  const fullName = `${modernModules.get(module) ?? module}.${name}`;
  const dtype = dtypes.get(fullName);
  if (dtype) return dtype;
  if (elementsOf(fullName) || plainNames.has(fullName) || calls.has(fullName)) return new PythonName(fullName);
  const reason = refusals.get(fullName);
  fail(reason === undefined ? refusal(`${module}.${name}`) : `${reason} (${fullName})`);
}

function refusal(fullName: string): string {
  const shown = JSON.stringify(fullName.length > 200 ? `${fullName.slice(0, 200)}…` : fullName);
  const isModule = /^(?:torch\.nn\.|torchvision\.|timm\.|__main__\.)/.test(fullName);
  const advice = isModule ? "; in PyTorch, save model.state_dict() instead of the model" : "";
  return `refuses class ${shown}: only tensors, numbers, strings and containers are loaded; nothing was executed${advice}`;
}

/** Reads `("storage", class, key, location, length)`; the location (cpu, cuda:0) does not matter here. */
function readStorageId(id: PickleValue, storages: StorageSource): StorageReference {
  if (!isTuple(id) || id[0] !== "storage") fail("the pickle names an outside object that is no storage");
  const [, storageClass, key, , length, view] = id;
  if (!(storageClass instanceof PythonName) || !isStorageClass(storageClass.pythonName))
    fail("a storage has no known class");
  if (typeof key !== "string") fail("a storage has no key");
  if (!isCount(length)) fail(`storage ${JSON.stringify(key)} has length ${describe(length)}`);
  if (view !== undefined && view !== null)
    fail(`storage ${JSON.stringify(key)} is a view of another, which is not supported`);
  const reference = new StorageReference(key, storageClass.pythonName, length);
  storages.declare(reference);
  return reference;
}

function isStorageClass(name: string): boolean {
  return name === UNTYPED || elementsOf(name) !== undefined;
}

/** Bytes per element of a storage class. */
export function storageItemSize(reference: StorageReference): number {
  return elementsOf(reference.storageClass)?.size ?? 1;
}

/** `_rebuild_tensor(storage, offset, size, stride)`; v2 adds `requires_grad, backward_hooks, metadata`. */
function rebuildTensor(args: readonly PickleValue[], { storages }: CallContext): Tensor {
  const [storage, offset, size, stride, requiresGrad, , metadata] = args;
  if (!(storage instanceof StorageReference)) fail("a tensor has no storage");
  const type = storageTypes.get(storage.storageClass);
  if (!type) fail(`a tensor over storage ${JSON.stringify(storage.key)} has no plain dtype`);
  return makeTensor(storages, storage, type, [offset, size, stride], requiresGrad, metadata);
}

/** `_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, backward_hooks, dtype, metadata)`: untyped storage. */
function rebuildTensorOfDtype(args: readonly PickleValue[], { storages }: CallContext): Tensor {
  const [storage, offset, size, stride, requiresGrad, , dtype, metadata] = args;
  if (!(storage instanceof StorageReference)) fail("a tensor has no storage");
  return makeTensor(storages, storage, elementTypeNamed(dtype), [offset, size, stride], requiresGrad, metadata);
}

function elementTypeNamed(dtype: PickleValue): ElementType {
  for (const known of plainDtypes) if (known === dtype) return elementTypeOf(known);
  const foreign = dtype instanceof PythonName ? foreignDtypes.get(dtype.pythonName) : undefined;
  if (!foreign) fail(`tensors of dtype ${describe(dtype)} are not supported`);
  return foreign;
}

/** `_rebuild_qtensor(storage, offset, size, stride, qparams, requires_grad, backward_hooks)`. */
function rebuildQuantized(args: readonly PickleValue[], context: CallContext): Tensor {
  const [storage, offset, size, stride, qparams] = args;
  const dtype = storage instanceof StorageReference ? quantizedStorages.get(storage.storageClass) : undefined;
  if (!(storage instanceof StorageReference) || !dtype) fail("a quantized tensor has no quantized storage");
  const { storages } = context;
  return quantizedTensor({
    dtype,
    label: `a quantized tensor over storage ${JSON.stringify(storage.key)}`,
    size,
    stride,
    offset,
    qparams,
    view: (...geometry) => makeTensor(storages, storage, storedTypeOf(dtype), geometry, false, null),
    whenFilled: (action) => storages.whenFilled(action),
    spend: (count) => context.spendData(count),
  });
}

/** A tensor over a storage, after checking that each of its elements lies within it. */
function makeTensor(
  storages: StorageSource,
  reference: StorageReference,
  type: ElementType,
  [offset, size, stride]: readonly PickleValue[],
  requiresGrad: PickleValue | undefined,
  metadata: PickleValue | undefined,
): Tensor {
  const label = `a tensor over storage ${JSON.stringify(reference.key)}`;
  if (!isTuple(size) || !isTuple(stride) || size.length !== stride.length || size.length > MAX_RANK) {
    fail(`${label} has no valid size and stride`);
  }
  const shape = wholeNumbers(label, size);
  const strides = wholeNumbers(label, stride);
  const numel = checkedNumel(shape);
  if (numel === null || numel > MAX_ELEMENTS) fail(`${label} has an invalid size ${formatShape(shape)}`);
  if (!isCount(offset)) fail(`${label} has offset ${describe(offset)}`);
  const length = (reference.length * storageItemSize(reference)) / type.size;
  // The last element's index; where the sum is too large to be exact, it is far beyond any length.
  const last = numel === 0 ? offset - 1 : shape.reduce((at, n, d) => at + (n - 1) * strides[d], offset);
  if (last >= length) {
    fail(
      `${label} reaches past its end: size ${formatShape(shape)}, stride ${formatShape(strides)} and offset ${offset} ` +
        `need ${last + 1} elements, it has ${length}`,
    );
  }
  if (metadata instanceof Map && metadata.size)
    fail(`${label} is lazily conjugated or negated, which is not supported`);
  const tensor = new Tensor({ storage: storages.open(reference, type), shape, strides, offset, dtype: type.dtype });
  if (requiresGrad === true) setRequiresGrad(tensor, label);
  return tensor;
}

function setRequiresGrad(tensor: Tensor, label: string): void {
  if (!tensor.dtype.isFloatingPoint) fail(`${label} of dtype ${tensor.dtype.name} requires a gradient`);
  tensor.requiresGrad = true;
}

/** `_rebuild_parameter(data, requires_grad, backward_hooks)`; its extra state, if any, is dropped. */
function rebuildParameter([data, requiresGrad]: readonly PickleValue[]): Parameter {
  if (!(data instanceof Tensor)) fail("a parameter has no tensor");
  if (data.isQuantized) fail("a parameter is a quantized tensor, which is not supported");
  const parameter = new Parameter(data, { requiresGrad: false });
  if (requiresGrad === true) setRequiresGrad(parameter, "a parameter");
  return parameter;
}

/** `_rebuild_from_type_v2(function, class, args, attributes)`: a tensor with attributes, which are dropped. */
function rebuildFromType([callee, type, args]: readonly PickleValue[], context: CallContext): PickleValue {
  if (!(type instanceof PythonName) || !tensorClasses.has(type.pythonName))
    fail(`a tensor has the class ${describe(type)}`);
  if (!(callee instanceof PythonName) || !Object.hasOwn(tensorCalls, callee.pythonName) || !isTuple(args)) {
    fail("a tensor with attributes is not made by a known function");
  }
  return tensorCalls[callee.pythonName](args, context);
}

function wholeNumbers(what: string, values: readonly PickleValue[]): number[] {
  return values.map((value) => (isCount(value) ? value : fail(`${what} has a size or stride of ${describe(value)}`)));
}

function text(what: string, value: PickleValue): string {
  return typeof value === "string" ? value : fail(`${what} is called without text`);
}

/** The elements of the one list, tuple or set that a constructor was called with; none if it was called with nothing. */
function items(what: string, args: readonly PickleValue[], context: CallContext): readonly PickleValue[] {
  if (args.length === 0) return [];
  const [source] = args;
  if (args.length > 1 || !(Array.isArray(source) || source instanceof Set))
    fail(`${what} is made from something else than a list`);
  const list: readonly PickleValue[] = source instanceof Set ? [...source] : source;
  context.spend(list.length);
  return list;
}

function addPairs(target: OrderedDict, entries: readonly PickleValue[]): OrderedDict {
  for (const entry of entries) {
    if (!Array.isArray(entry) || entry.length !== 2) fail("an OrderedDict is made from something else than pairs");
    target.set(hashable(entry[0]), entry[1]);
  }
  return target;
}

function copyDict(args: readonly PickleValue[], context: CallContext): PickleValue {
  const [source] = args;
  if (source === undefined) return new Map();
  if (!(source instanceof Map)) fail("a Counter is made from something else than a dict");
  context.spend(source.size);
  return new Map(source);
}

/** Bytes, as protocol 2 spells them: Latin-1 text and the name of that encoding. Protocol 3 passes bytes. */
function makeBytes([source, encoding]: readonly PickleValue[], context: CallContext): Uint8Array {
  if (source === undefined) return new Uint8Array(0);
  if (source instanceof Uint8Array) {
    context.spend(source.length);
    return source.slice();
  }
  if (typeof source !== "string" || (encoding !== "latin1" && encoding !== "latin-1")) fail("bytes are not in Latin-1");
  context.spend(source.length);
  const bytes = new Uint8Array(source.length);
  for (let i = 0; i < bytes.length; i++) {
    const code = source.charCodeAt(i);
    if (code > 0xff) fail("bytes are not in Latin-1");
    bytes[i] = code;
  }
  return bytes;
}
