/** What the package really exports: the evidence behind every status in the compatibility table. */
import * as octet from "../../src/index.ts";

type Namespace = Readonly<Record<string, unknown>>;
type Class = { readonly prototype: object };

const sample = octet.Tensor.zeros([1], octet.float32);

/** True if `name` is exported; `Tensor.x` means a method or field of tensors, unless it is a static method. */
export function isExported(name: string): boolean {
  const path = name.split(".");
  if (path[0] === "Tensor" && path.length === 2) return hasMember(sample, path[1]) || hasOwn(octet.Tensor, path[1]);
  return find(path) !== undefined;
}

/** Of `methods` (Octet's spelling), those that the exported class `name` lacks, both as methods and as static methods. */
export function missingMethods(name: string, methods: readonly string[]): string[] {
  const value = find(name.split(".")) as Class;
  return methods.filter((method) => !hasMember(value.prototype ?? {}, method) && !hasMember(value, method));
}

function find(path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, part) => (at !== null && typeof at === "object" && part in at ? (at as Namespace)[part] : undefined),
    octet,
  );
}

/** As `in`, without what every function and object of JavaScript has. */
function hasMember(object: object, name: string): boolean {
  let at: object | null = object;
  while (at !== null && at !== Function.prototype && at !== Object.prototype) {
    if (hasOwn(at, name)) return true;
    at = Object.getPrototypeOf(at) as object | null;
  }
  return false;
}

function hasOwn(object: object, name: string): boolean {
  return !(typeof object === "function" && ["name", "length"].includes(name)) && Object.hasOwn(object, name);
}
