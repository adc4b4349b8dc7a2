/**
 * Every default of PyTorch 2.6 against test/golden/reference/defaults.json: observers, fake-quantize modules, qconfigs and
 * mappings, field by field, each both as it is constructed and as it is once constructed.
 */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { dtypeFromName } from "../../src/core/dtype.ts";
import * as torch from "../../src/index.ts";
import { nn, quantization as q } from "../../src/index.ts";
import type { Module } from "../../src/nn/module.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { ObjectType, QConfigMapping } from "../../src/quantization/qconfig-mapping.ts";

import type { QConfigBackend } from "../../src/quantization/qconfig.ts";

type Json = Readonly<Record<string, unknown>>;
interface Observed {
  readonly constructor: { readonly class: string; readonly kwargs: Json };
  readonly instance: Json;
}
interface QConfigEntry {
  readonly activation: Observed;
  readonly weight: Observed | null;
  readonly quant_type: string;
}
interface MappingEntry {
  readonly global: QConfigEntry;
  readonly object_type: readonly (Json & { readonly key: string; readonly same_as_global?: boolean })[];
}
type Named<T> = Readonly<Record<string, T>>;

const reference = JSON.parse(readFileSync(new URL("../golden/reference/defaults.json", import.meta.url), "utf8")) as {
  readonly observers: Named<Observed>;
  readonly fake_quants: Named<Observed>;
  readonly observer_class_defaults: Named<Json>;
  readonly fake_quantize_class_defaults: Named<Json>;
  readonly qconfigs: Named<QConfigEntry>;
  readonly get_default_qconfig: Named<QConfigEntry>;
  readonly get_default_qat_qconfig: Named<QConfigEntry>;
  readonly get_default_qconfig_mapping: Named<MappingEntry>;
  readonly get_default_qat_qconfig_mapping: Named<MappingEntry>;
  readonly symmetric_qnnpack_mapping: Named<MappingEntry>;
  readonly fixed_qparams_ops: Named<Json>;
  readonly calculate_qmin_qmax: readonly {
    dtype: string;
    reduce_range: boolean;
    custom: [number, number] | null;
    result: [number, number];
  }[];
};

let fields = 0;
const withoutDtype: string[] = [];
afterAll(() => {
  console.log(
    `defaults: ${fields} fields compared; ${withoutDtype.length} ranges of dtypes that Octet does not have: ` +
      [...new Set(withoutDtype)].join(", "),
  );
});

const camelCase = (name: string) => name.replace(/(?<=.)_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const exported = (name: string): unknown => (q as unknown as Json)[camelCase(name)];

/** Compares one field, and counts it. */
function same(actual: unknown, expected: unknown, where: string): void {
  fields++;
  expect(actual, where).toEqual(expected);
}

// ---------------------------------------------------------------- Octet's side in the words of the file

/** A constructor: class name, and the options that are fixed. */
function describeFactory(factory: q.Factory<unknown>): { class: string; kwargs: Json } {
  if (!(factory instanceof q.WithArgs)) return { class: factory.name, kwargs: {} };
  const kwargs = Object.entries(factory.args).map(([key, value]) => [key, describeOption(value)]);
  return { class: factory.target.name, kwargs: Object.fromEntries(kwargs) as Json };
}

function describeOption(value: unknown): unknown {
  if (value instanceof q.WithArgs) return describeFactory(value);
  if (typeof value === "function") return value.name;
  return typeof value === "object" && value !== null ? String(value) : value;
}

/** Options under the names that PyTorch gives them. */
function camelKeys(kwargs: Json): Json {
  return Object.fromEntries(
    Object.entries(kwargs).map(([key, value]) => {
      const nested = typeof value === "object" && value !== null && "kwargs" in value;
      return [camelCase(key), nested ? { ...value, kwargs: camelKeys(value.kwargs as Json) } : value];
    }),
  );
}

function describeBuffer(tensor: Tensor): Json {
  const values = Array.from(tensor.toNumbers() as ArrayLike<number>, printNumber);
  const value = tensor.ndim === 0 ? values[0] : values.length > 64 ? `${values.length} values` : values;
  return { dtype: tensor.dtype.toString(), shape: [...tensor.shape], value };
}

function printNumber(value: number): number | string {
  return Number.isFinite(value) ? value : value > 0 ? "inf" : "-inf";
}

function compareFactory(factory: unknown, expected: Observed, where: string): void {
  const made = q.create(factory as q.Factory<Module>);
  const { class: name, kwargs } = describeFactory(factory as q.Factory<unknown>);
  same(name, expected.constructor.class, `${where}: class`);
  same(kwargs, camelKeys(expected.constructor.kwargs), `${where}: options`);
  compareInstance(made, expected.instance, where);
}

function compareInstance(made: Module, expected: Json, where: string): void {
  for (const [key, value] of Object.entries(expected)) {
    const at = `${where}.${key}`;
    if (key === "class") same(made.getName(), value, at);
    else if (key === "buffers") compareBuffers(made, value as Json, at);
    else if (key === "observer") {
      compareInstance(
        (made as unknown as { activation_post_process: Module }).activation_post_process,
        value as Json,
        at,
      );
    } else {
      const own = made as unknown as Json;
      const found = own[key] instanceof Tensor ? (own[key] as Tensor).item() : own[camelCase(key)];
      same(typeof found === "object" && found !== null ? String(found) : found, value, at);
    }
  }
}

function compareBuffers(made: Module, expected: Json, where: string): void {
  const own = [...made.ownBuffers()].map(([name, tensor]) => [name, describeBuffer(tensor)]);
  same(Object.fromEntries(own), expected, where);
}

function compareQconfig(qconfig: q.QConfig, expected: QConfigEntry, where: string): void {
  compareFactory(qconfig.activation, expected.activation, `${where}.activation`);
  if (expected.weight) compareFactory(qconfig.weight, expected.weight, `${where}.weight`);
  else same(qconfig.weight, null, `${where}.weight`);
  const type = expected.quant_type;
  if (type === "ERR 'NoneType' object is not callable")
    expect(() => q.getQuantType(qconfig)).toThrow("no weight observer");
  else if (type.startsWith("ERR ")) expect(() => q.getQuantType(qconfig)).toThrow(type.slice(4));
  else same(q.getQuantType(qconfig), q.QuantType[type as keyof typeof q.QuantType], `${where}: quant type`);
  fields++;
}

// ---------------------------------------------------------------- tests

describe("default observers", () => {
  for (const [name, expected] of Object.entries(reference.observers)) {
    it(name, () => compareFactory(exported(name), expected, name));
  }
});

describe("default fake-quantize modules", () => {
  for (const [name, expected] of Object.entries(reference.fake_quants)) {
    it(name, () => compareFactory(exported(name), expected, name));
  }
});

/** Classes that exist to be extended, and what they need to be constructed. */
const required: Named<Json> = {
  ObserverBase: { dtype: torch.quint8 },
  FixedQParamsObserver: { scale: 0.5, zeroPoint: 3 },
  FixedQParamsFakeQuantize: { observer: q.defaultFixedQparamsRange0to1Observer },
  _LearnableFakeQuantize: { observer: q.MovingAverageMinMaxObserver },
};

/** What a constructor's option becomes, where it is not the property of that name; null: it leaves no trace. */
const properties: Named<string | null> = {
  custom_op_name: "customOp",
  compute_dtype: null, // warns, and nothing else
  factory_kwargs: null, // devices
  observer: "activation_post_process",
  channel_len: null, // the size of the parameters
};

class AnyObserver extends q.ObserverBase {
  override forward(x: Tensor): Tensor {
    return x;
  }
  override calculateQparams(): q.Qparams {
    throw new Error("not needed");
  }
}

class AnyUniformObserver extends q.UniformQuantizationObserverBase {
  override forward(x: Tensor): Tensor {
    return x;
  }
  override calculateQparams(): q.Qparams {
    throw new Error("not needed");
  }
}

const abstractClasses: Named<new (options: never) => Module> = {
  ObserverBase: AnyObserver,
  UniformQuantizationObserverBase: AnyUniformObserver,
};

/** Options whose default is None stand for another value. */
const resolved: Named<unknown> = {
  quant_min: undefined,
  quant_max: undefined,
  qscheme: "torch.per_tensor_affine",
  eps: 2 ** -23,
};

describe("defaults of the constructors' options", () => {
  const classes = { ...reference.observer_class_defaults, ...reference.fake_quantize_class_defaults };
  for (const [name, defaults] of Object.entries(classes)) {
    it(name, () => {
      const Class = (abstractClasses[name] ?? exported(name)) as new (options?: Json) => Module;
      const made = new Class(required[name]) as unknown as Json;
      for (const [key, value] of Object.entries(defaults)) {
        const property = key in properties ? properties[key] : made[key] instanceof Tensor ? key : camelCase(key);
        if (value === "<required>" || property === null) continue;
        const found = made[property];
        const wanted = value === null ? resolved[key] : value;
        if (wanted === undefined) continue; // the dtype's range, which the instances above show
        const shown = found instanceof Tensor ? found.item() : typeof found === "object" ? String(found) : found;
        if (key === "observer") same((found as Module).getName(), wanted, `${name}.${key}`);
        else same(shown, wanted, `${name}.${key}`);
      }
    });
  }
});

describe("predefined qconfigs", () => {
  for (const [name, expected] of Object.entries(reference.qconfigs)) {
    it(name, () => compareQconfig(exported(name) as q.QConfig, expected, name));
  }
});

describe("qconfigs by engine and version", () => {
  const parts = (key: string): [QConfigBackend, number] => {
    const [backend, version] = key.split("/v");
    return [backend as QConfigBackend, Number(version)];
  };
  for (const [key, expected] of Object.entries(reference.get_default_qconfig)) {
    it(`after training: ${key}`, () => compareQconfig(q.getDefaultQconfig(...parts(key)), expected, key));
  }
  for (const [key, expected] of Object.entries(reference.get_default_qat_qconfig)) {
    it(`in training: ${key}`, () => compareQconfig(q.getDefaultQatQconfig(...parts(key)), expected, key));
  }
  for (const [key, expected] of Object.entries(reference.get_default_qconfig_mapping)) {
    it(`mapping after training: ${key}`, () => {
      compareMapping(q.getDefaultQconfigMapping(...parts(key)), expected, key);
      same(q.getDefaultQconfigDict(...parts(key)), q.getDefaultQconfigMapping(...parts(key)).toDict(), key);
    });
  }
  for (const [key, expected] of Object.entries(reference.get_default_qat_qconfig_mapping)) {
    it(`mapping in training: ${key}`, () => {
      compareMapping(q.getDefaultQatQconfigMapping(...parts(key)), expected, key);
      same(q.getDefaultQatQconfigDict(...parts(key)), q.getDefaultQatQconfigMapping(...parts(key)).toDict(), key);
    });
  }
  it("symmetric qnnpack mappings", () => {
    compareMapping(q._getSymmetricQnnpackQconfigMapping(), reference.symmetric_qnnpack_mapping.ptq, "ptq");
    compareMapping(q._getSymmetricQnnpackQatQconfigMapping(), reference.symmetric_qnnpack_mapping.qat, "qat");
  });
});

/** The class, function or method name that a key of the file stands for. */
function objectType(key: string): ObjectType {
  if (key.startsWith("'")) return key.slice(1, -1);
  const name = key.split(".").at(-1) as string;
  // PyTorch's conv_transpose functionals are the functions of torch itself.
  const owner = key.startsWith("torch.nn.modules.") ? nn : name in { sigmoid: 1, tanh: 1 } ? torch : nn.functional;
  return (owner as unknown as Readonly<Record<string, ObjectType>>)[camelCase(name)];
}

function compareMapping(mapping: QConfigMapping, expected: MappingEntry, where: string): void {
  compareQconfig(mapping.globalQconfig as q.QConfig, expected.global, `${where}: global`);
  same(
    [...mapping.objectTypeQconfigs.keys()],
    expected.object_type.map(({ key }) => objectType(key)),
    `${where}: types`,
  );
  for (const entry of expected.object_type) {
    const qconfig = mapping.objectTypeQconfigs.get(objectType(entry.key)) as q.QConfig;
    const at = `${where}: ${entry.key}`;
    same(q.qconfigEquals(qconfig, mapping.globalQconfig), entry.same_as_global ?? false, `${at} same as global`);
    for (const side of ["activation", "weight"] as const) {
      const wanted = entry[side] as Observed["constructor"] | undefined;
      if (!wanted) continue; // the same as global
      const factory = describeFactory(qconfig[side] as q.Factory<unknown>);
      same(factory, { ...wanted, kwargs: camelKeys(wanted.kwargs) }, `${at} ${side}`);
    }
    for (const name of (entry.named as string[] | undefined) ?? []) {
      same(q.qconfigEquals(qconfig, exported(name) as q.QConfig), true, `${at} is ${name}`);
    }
  }
  same(mapping.moduleNameRegexQconfigs.size, 0, where);
  same(mapping.moduleNameQconfigs.size, 0, where);
}

describe("operators of known range", () => {
  it("have PyTorch's observers", () => {
    const expected = Object.entries(reference.fixed_qparams_ops);
    same(
      [...q._FIXED_QPARAMS_OP_TO_OBSERVER.keys()],
      expected.map(([key]) => objectType(key)),
      "operators",
    );
    for (const [key, observer] of expected) {
      const found = describeFactory(q._FIXED_QPARAMS_OP_TO_OBSERVER.get(objectType(key)) as q.Factory<unknown>);
      same(found, { ...observer, kwargs: camelKeys(observer.kwargs as Json) }, key);
    }
  });
});

/** Dtypes of PyTorch that Octet does not have. */
const MISSING = ["torch.uint16", "torch.float8_e5m2", "torch.float8_e4m3fn"];

describe("ranges of integers", () => {
  for (const { dtype, reduce_range, custom, result } of reference.calculate_qmin_qmax) {
    const title = `${dtype}${reduce_range ? ", reduced" : ""}${custom ? ` within ${custom}` : ""}: ${result}`;
    it(title, () => {
      if (MISSING.includes(dtype)) {
        withoutDtype.push(dtype);
        expect(() => dtypeFromName(dtype)).toThrow("unknown dtype");
        return;
      }
      const [low, high] = custom ?? [null, null];
      same(q.calculateQminQmax(low, high, custom !== null, dtypeFromName(dtype), reduce_range), result, title);
    });
  }
});
