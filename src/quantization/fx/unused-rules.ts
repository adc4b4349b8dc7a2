/** Finds rules of a QConfigMapping that are about nothing in a model: most often, a name that is misspelt. */
import { warn } from "../../core/warnings.ts";
import type { FxNode } from "../../fx/node.ts";
import type { TargetFunction } from "../../fx/targets.ts";
import { printTarget } from "../../fx/targets.ts";
import { isModuleClass } from "../backend-config/pattern.ts";
import { ReLU } from "../../nn/modules/activation.ts";
import { relu } from "../../ops/activation.ts";
import type { ObjectType, QConfigMapping } from "../qconfig-mapping.ts";
import { getDefaultQconfigMapping } from "../qconfig-mapping.ts";
import type { NodeScopes } from "./node-qconfigs.ts";
import type { NamedModules } from "./node-queries.ts";
import { moduleOf, parentName } from "./node-queries.ts";

/** What rules can be about. */
interface RuleSubjects {
  readonly types: ReadonlySet<ObjectType>;
  /** Of modules that are called and of modules in which something is called. */
  readonly paths: ReadonlySet<string>;
  /** Uses of a type in a module, counted by {@link useKey}. */
  readonly uses: ReadonlyMap<string, ReadonlyMap<ObjectType, number>>;
}

/** Warns once of all rules that match no operator of a graph that was just traced. */
export function warnOfUnusedRules(
  op: string,
  mapping: QConfigMapping,
  nodes: Iterable<FxNode>,
  modules: NamedModules,
  scopes: NodeScopes,
): void {
  const unused = unusedRules(mapping, subjectsOf(nodes, modules, scopes));
  if (unused.length === 0) return;
  warn(`${op}: rules of the QConfigMapping that match no operator of the model: ${unused.join(", ")}`);
}

function unusedRules(mapping: QConfigMapping, { types, paths, uses }: RuleSubjects): string[] {
  // The default mappings have rules for types that few models have.
  const expected = new Set(getDefaultQconfigMapping().objectTypeQconfigs.keys());
  const withParents = new Set([...paths].flatMap(ancestors));
  const regexMatches = (regex: string): boolean => [...paths].some((path) => new RegExp(regex, "y").test(path));
  const typeRules = [...mapping.objectTypeQconfigs.keys()].filter((type) => !expected.has(type) && !types.has(type));
  const nameRules = [...mapping.moduleNameQconfigs.keys()].filter((name) => !withParents.has(name));
  const regexRules = [...mapping.moduleNameRegexQconfigs.keys()].filter((regex) => !regexMatches(regex));
  const orderRules = mapping.moduleNameObjectTypeOrderQconfigs.filter(
    ({ moduleName, objectType, index }) => index >= (uses.get(moduleName)?.get(objectType) ?? 0),
  );
  return [
    ...typeRules.map((type) => `object_type ${typeName(type)}`),
    ...nameRules.map((name) => `module_name "${name}"`),
    ...regexRules.map((regex) => `module_name_regex "${regex}"`),
    ...orderRules.map(
      ({ moduleName, objectType, index }) =>
        `module_name_object_type_order ("${moduleName}", ${typeName(objectType)}, ${index})`,
    ),
  ];
}

function subjectsOf(nodes: Iterable<FxNode>, modules: NamedModules, scopes: NodeScopes): RuleSubjects {
  const types = new Set<ObjectType>();
  const paths = new Set<string>();
  const uses = new Map<string, Map<ObjectType, number>>();
  const countUse = (path: string, type: ObjectType): void => {
    const inModule = uses.get(path) ?? new Map<ObjectType, number>();
    uses.set(path, inModule.set(type, (inModule.get(type) ?? 0) + 1));
  };
  for (const node of nodes) {
    const { modulePath, moduleType } = scopes.get(node.name) ?? { modulePath: "", moduleType: null };
    paths.add(modulePath);
    if (moduleType) types.add(moduleType);
    if (node.op === "get_attr") paths.add(parentName(String(node.target))[0]);
    if (node.op === "call_method") types.add(String(node.target));
    if (node.op === "call_function") {
      types.add(node.target as ObjectType);
      if (node.target === relu) types.add(ReLU); // as which it is fused
      countUse(modulePath, node.target as ObjectType);
    }
    const module = moduleOf(node, modules);
    if (module) {
      const type = module.constructor as unknown as ObjectType;
      types.add(type);
      countUse(parentName(modulePath)[0], type);
    }
  }
  return { types, paths, uses };
}

/** A path and those of the modules around it, without the root. */
function ancestors(path: string): string[] {
  return path === "" ? [] : [path, ...ancestors(parentName(path)[0])];
}

function typeName(type: ObjectType): string {
  if (typeof type === "string") return `"${type}"`;
  return isModuleClass(type) ? type.name : printTarget(type as TargetFunction);
}
