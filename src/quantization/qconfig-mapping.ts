/**
 * QConfigMapping: which parts of a model are quantized how, by rules of increasing priority; how the rules are looked up;
 * and PyTorch's default mappings (`torch.ao.quantization.qconfig_mapping`).
 */
import { OctetError } from "../core/errors.ts";
import * as nn from "../nn/index.ts";
import { sigmoid, tanh } from "../ops/index.ts";
import { defaultWeightFakeQuant } from "./fake-quantize-defaults.ts";
import { FixedQParamsFakeQuantize } from "./fake-quantize.ts";
import {
  defaultFixedQparamsRange0to1Observer,
  defaultFixedQparamsRangeNeg1to1Observer,
  defaultPlaceholderObserver,
  defaultWeightObserver,
} from "./observers/defaults.ts";
import type { FixedQParamsObserver } from "./observers/pass-through.ts";
import type { ObserverFactory, QConfigAny, QConfigBackend } from "./qconfig.ts";
import {
  QConfig,
  defaultQuint8WeightQconfig,
  defaultReuseInputQconfig,
  defaultSymmetricQnnpackQatQconfig,
  defaultSymmetricQnnpackQconfig,
  getDefaultQatQconfig,
  getDefaultQconfig,
} from "./qconfig.ts";
import type { WithArgs } from "./with-args.ts";

/** A module class, a function, or the name of a tensor method. */
export type ObjectType = (abstract new (...args: never[]) => unknown) | ((...args: never[]) => unknown) | string;

/** The qconfig of the index-th use of an object type inside a module. */
export interface ModuleNameObjectTypeOrder {
  readonly moduleName: string;
  readonly objectType: ObjectType;
  readonly index: number;
  readonly qconfig: QConfigAny;
}

/** A mapping as plain data, with PyTorch's keys; all but none are optional when read. */
export interface QConfigDict {
  readonly "": QConfigAny;
  readonly object_type: readonly (readonly [ObjectType, QConfigAny])[];
  readonly module_name_regex: readonly (readonly [string, QConfigAny])[];
  readonly module_name: readonly (readonly [string, QConfigAny])[];
  readonly module_name_object_type_order: readonly (readonly [string, ObjectType, number, QConfigAny])[];
}

const dictKeys: readonly string[] = [
  "",
  "object_type",
  "module_name_regex",
  "module_name",
  "module_name_object_type_order",
];

/** Rules from qconfigs to parts of a model; later kinds win. A null qconfig keeps a part in float. */
export class QConfigMapping {
  globalQconfig: QConfigAny = null;
  readonly objectTypeQconfigs = new Map<ObjectType, QConfigAny>();
  readonly moduleNameRegexQconfigs = new Map<string, QConfigAny>();
  readonly moduleNameQconfigs = new Map<string, QConfigAny>();
  private order: readonly ModuleNameObjectTypeOrder[] = [];

  /** For everything that no other rule is about. */
  setGlobal(qconfig: QConfigAny): this {
    this.globalQconfig = qconfig;
    return this;
  }

  /** For a module class, a function, or a tensor method by its name. */
  setObjectType(objectType: ObjectType, qconfig: QConfigAny): this {
    this.objectTypeQconfigs.set(objectType, qconfig);
    return this;
  }

  /**
   * For modules whose path begins with a match of the regular expression (JavaScript's syntax; it is not anchored at the
   * end). The first one that was set and matches wins.
   */
  setModuleNameRegex(moduleNameRegex: string, qconfig: QConfigAny): this {
    compile(moduleNameRegex);
    this.moduleNameRegexQconfigs.set(moduleNameRegex, qconfig);
    return this;
  }

  /** For the module with this path and everything below it. */
  setModuleName(moduleName: string, qconfig: QConfigAny): this {
    this.moduleNameQconfigs.set(moduleName, qconfig);
    return this;
  }

  /** For the index-th (from 0) use of an object type inside the module with this path. */
  setModuleNameObjectTypeOrder(moduleName: string, objectType: ObjectType, index: number, qconfig: QConfigAny): this {
    const rule = { moduleName, objectType, index, qconfig };
    const at = this.order.findIndex((other) => sameOrder(other, rule));
    this.order = at < 0 ? [...this.order, rule] : this.order.with(at, rule);
    return this;
  }

  get moduleNameObjectTypeOrderQconfigs(): readonly ModuleNameObjectTypeOrder[] {
    return this.order;
  }

  toDict(): QConfigDict {
    return {
      "": this.globalQconfig,
      object_type: [...this.objectTypeQconfigs],
      module_name_regex: [...this.moduleNameRegexQconfigs],
      module_name: [...this.moduleNameQconfigs],
      module_name_object_type_order: this.order.map(
        ({ moduleName, objectType, index, qconfig }) => [moduleName, objectType, index, qconfig] as const,
      ),
    };
  }

  /** The mapping that {@link toDict} gave; missing keys are empty. */
  static fromDict(dict: Partial<QConfigDict>): QConfigMapping {
    const unknown = Object.keys(dict).find((key) => !dictKeys.includes(key));
    if (unknown !== undefined) {
      throw new OctetError(`QConfigMapping.fromDict: unknown key "${unknown}"; known: "${dictKeys.join('", "')}"`);
    }
    const mapping = new QConfigMapping();
    if (dict[""]) mapping.setGlobal(dict[""]);
    for (const [type, qconfig] of dict.object_type ?? []) mapping.setObjectType(type, qconfig);
    for (const [regex, qconfig] of dict.module_name_regex ?? []) mapping.setModuleNameRegex(regex, qconfig);
    for (const [name, qconfig] of dict.module_name ?? []) mapping.setModuleName(name, qconfig);
    for (const rule of dict.module_name_object_type_order ?? []) mapping.setModuleNameObjectTypeOrder(...rule);
    return mapping;
  }

  /** All five kinds of rules, as PyTorch prints them. */
  toString(): string {
    const lines = (entries: readonly (readonly [string, QConfigAny])[]): string =>
      entries.length
        ? entries.map(([key, qconfig]) => `\n  ${key}: ${qconfig ?? "None"}`).join("")
        : "\n  OrderedDict()";
    const named = (map: ReadonlyMap<ObjectType, QConfigAny>) =>
      lines([...map].map(([key, qconfig]) => [objectTypeName(key), qconfig] as const));
    const order = this.order.map(
      ({ moduleName, objectType, index, qconfig }) =>
        [`('${moduleName}', ${objectTypeName(objectType)}, ${index})`, qconfig] as const,
    );
    return (
      `QConfigMapping (\n global_qconfig\n  ${this.globalQconfig ?? "None"}` +
      `\n object_type_qconfigs${named(this.objectTypeQconfigs)}` +
      `\n module_name_regex_qconfigs${named(this.moduleNameRegexQconfigs)}` +
      `\n module_name_qconfigs${named(this.moduleNameQconfigs)}` +
      `\n module_name_object_type_order_qconfigs${lines(order)}\n)`
    );
  }
}

function sameOrder(a: ModuleNameObjectTypeOrder, b: Omit<ModuleNameObjectTypeOrder, "qconfig">): boolean {
  return a.moduleName === b.moduleName && a.objectType === b.objectType && a.index === b.index;
}

/** A class's or operator's name; method names are in themselves. */
function objectTypeName(type: ObjectType): string {
  if (typeof type === "string") return type;
  return (type as { op?: { name: string } }).op?.name ?? type.name;
}

/** Sticky: it matches at the beginning only, as Python's `re.match`. */
function compile(regex: string): RegExp {
  try {
    return new RegExp(regex, "y");
  } catch (error) {
    throw new OctetError(`setModuleNameRegex: "${regex}" is not a regular expression: ${(error as Error).message}`);
  }
}

// ---------------------------------------------------------------- looking up

/** The rule for an object type, or `fallback`. */
export function _getObjectTypeQconfig(mapping: QConfigMapping, type: ObjectType, fallback: QConfigAny): QConfigAny {
  const found = mapping.objectTypeQconfigs.get(type);
  return found === undefined ? fallback : found;
}

/** The first regular expression that matches at the beginning of a path. */
export function _getModuleNameRegexQconfig(mapping: QConfigMapping, path: string, fallback: QConfigAny): QConfigAny {
  for (const [regex, qconfig] of mapping.moduleNameRegexQconfigs) if (compile(regex).test(path)) return qconfig;
  return fallback;
}

/** The rule for a path or the nearest module above it; the root "" has none. */
export function _getModuleNameQconfig(mapping: QConfigMapping, path: string, fallback: QConfigAny): QConfigAny {
  for (let at = path; at !== ""; at = at.slice(0, Math.max(at.lastIndexOf("."), 0))) {
    const found = mapping.moduleNameQconfigs.get(at);
    if (found !== undefined) return found;
  }
  return fallback;
}

/** The rule that is about a module's type, a regular expression, or its path, by increasing priority. */
export function _maybeAdjustQconfigForModuleTypeOrName(
  mapping: QConfigMapping,
  moduleType: ObjectType,
  path: string,
  fallback: QConfigAny,
): QConfigAny {
  const byType = _getObjectTypeQconfig(mapping, moduleType, fallback);
  return _getModuleNameQconfig(mapping, path, _getModuleNameRegexQconfig(mapping, path, byType));
}

/** The rule for the index-th use of an object type inside a module. */
export function _maybeAdjustQconfigForModuleNameObjectTypeOrder(
  mapping: QConfigMapping,
  moduleName: string,
  objectType: ObjectType,
  index: number,
  fallback: QConfigAny,
): QConfigAny {
  const use = { moduleName, objectType, index };
  const found = mapping.moduleNameObjectTypeOrderQconfigs.find((rule) => sameOrder(rule, use));
  return found ? found.qconfig : fallback;
}

// ---------------------------------------------------------------- defaults

/** Operators whose output range is known. */
export const _FIXED_QPARAMS_OP_TO_OBSERVER: ReadonlyMap<ObjectType, WithArgs<FixedQParamsObserver>> = new Map<
  ObjectType,
  WithArgs<FixedQParamsObserver>
>([
  [nn.Hardsigmoid, defaultFixedQparamsRange0to1Observer],
  [nn.functional.hardsigmoid, defaultFixedQparamsRange0to1Observer],
  ["hardsigmoid", defaultFixedQparamsRange0to1Observer],
  ["hardsigmoid_", defaultFixedQparamsRange0to1Observer],
  [nn.Sigmoid, defaultFixedQparamsRange0to1Observer],
  [sigmoid, defaultFixedQparamsRange0to1Observer],
  ["sigmoid", defaultFixedQparamsRange0to1Observer],
  ["sigmoid_", defaultFixedQparamsRange0to1Observer],
  [nn.Softmax, defaultFixedQparamsRange0to1Observer],
  [nn.Tanh, defaultFixedQparamsRangeNeg1to1Observer],
  [tanh, defaultFixedQparamsRangeNeg1to1Observer],
  ["tanh", defaultFixedQparamsRangeNeg1to1Observer],
  ["tanh_", defaultFixedQparamsRangeNeg1to1Observer],
]);

function defaultMapping(qconfig: QConfig, isQat: boolean, backend: QConfigBackend): QConfigMapping {
  const { activation } = qconfig;
  const weight: ObserverFactory = isQat ? defaultWeightFakeQuant : defaultWeightObserver;
  // These engines have no per-channel weights in transposed convolutions.
  const transposed = backend === "fbgemm" || backend === "x86" ? new QConfig(activation, weight) : qconfig;
  const layerNorm = new QConfig(activation, defaultPlaceholderObserver); // its weight stays float
  const { convTranspose1d, convTranspose2d, convTranspose3d } = nn.functional;
  const mapping = new QConfigMapping().setGlobal(qconfig).setObjectType("reshape", defaultReuseInputQconfig);
  for (const type of [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d])
    mapping.setObjectType(type, transposed);
  for (const type of [convTranspose1d, convTranspose2d, convTranspose3d]) mapping.setObjectType(type, transposed);
  mapping
    .setObjectType(nn.functional.layerNorm, layerNorm)
    .setObjectType(nn.LayerNorm, layerNorm)
    .setObjectType(nn.PReLU, defaultQuint8WeightQconfig);
  // One qconfig for each of the two ranges.
  const fixed = new Map<WithArgs<FixedQParamsObserver>, QConfig>();
  for (const [type, observer] of _FIXED_QPARAMS_OP_TO_OBSERVER) {
    if (!fixed.has(observer)) {
      fixed.set(observer, new QConfig(isQat ? FixedQParamsFakeQuantize.withArgs({ observer }) : observer, weight));
    }
    mapping.setObjectType(type, fixed.get(observer) as QConfig);
  }
  return mapping;
}

/** The rules for quantization after training on an engine. */
export function getDefaultQconfigMapping(backend: QConfigBackend = "x86", version = 0): QConfigMapping {
  return defaultMapping(getDefaultQconfig(backend, version), false, backend);
}

/** The rules for quantization-aware training on an engine. */
export function getDefaultQatQconfigMapping(backend: QConfigBackend = "x86", version = 1): QConfigMapping {
  return defaultMapping(getDefaultQatQconfig(backend, version), true, backend);
}

/** Signed activations and symmetric weights for all but the operators of known range. */
export function _getSymmetricQnnpackQconfigMapping(): QConfigMapping {
  return withQconfig(getDefaultQconfigMapping("qnnpack"), defaultSymmetricQnnpackQconfig);
}

export function _getSymmetricQnnpackQatQconfigMapping(): QConfigMapping {
  return withQconfig(getDefaultQatQconfigMapping("qnnpack"), defaultSymmetricQnnpackQatQconfig);
}

function withQconfig(mapping: QConfigMapping, qconfig: QConfig): QConfigMapping {
  mapping.setGlobal(qconfig);
  for (const type of mapping.objectTypeQconfigs.keys()) {
    if (!_FIXED_QPARAMS_OP_TO_OBSERVER.has(type)) mapping.setObjectType(type, qconfig);
  }
  return mapping;
}

/** The mapping in its older form. Deprecated: use {@link getDefaultQconfigMapping}. */
export function getDefaultQconfigDict(backend: QConfigBackend = "x86", version = 0): QConfigDict {
  return getDefaultQconfigMapping(backend, version).toDict();
}

/** The mapping in its older form. Deprecated: use {@link getDefaultQatQconfigMapping}. */
export function getDefaultQatQconfigDict(backend: QConfigBackend = "x86", version = 1): QConfigDict {
  return getDefaultQatQconfigMapping(backend, version).toDict();
}
