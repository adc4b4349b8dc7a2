/**
 * Backend configs in archives. They hold functions that fuse modules, so one of Octet's own is stored by the name of the
 * function that makes it; any other as plain data, which its functions must allow.
 */
import type { BackendConfig } from "../quantization/backend-config/index.ts";
import * as backendConfigs from "../quantization/backend-config/index.ts";
import { fail, quote } from "./archive-checks.ts";

const makers: ReadonlyMap<string, () => BackendConfig> = new Map(
  Object.entries(backendConfigs).filter((entry): entry is [string, () => BackendConfig] =>
    /^get\w+BackendConfig$/.test(entry[0]),
  ),
);

/** The name of the function that makes such a config; undefined for one that was changed, or made by the user. */
export function makerOf(config: BackendConfig): string | undefined {
  const given = config.toDict();
  return [...makers].find(([, make]) => isEqual(make().toDict(), given))?.[0];
}

export function backendConfigOf(name: string): BackendConfig {
  const make = makers.get(name) ?? fail(`unknown backend config ${quote(name)}`);
  return make();
}

/** Whether two values are the same plain data; functions, and what else is no plain data, must be the same object. */
function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Map && b instanceof Map) return isEqual([...a], [...b]);
  const [left, right] = [a, b] as Record<string, unknown>[];
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length && keys.every((key) => key in right && isEqual(left[key], right[key]))
  );
}
