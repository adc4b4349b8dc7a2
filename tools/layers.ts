/**
 * Checks how the files of src/ import each other (`npm run layers`):
 *
 * - a folder imports only from folders to its left in `layers`, or from itself; type imports count;
 * - no file reaches itself through its imports, whether values or types close the cycle;
 * - no Node module is imported (its types may be), because every file must load in a browser; cli/ is the exception;
 * - other packages only where package.json lists them for users of the package.
 *
 * `declare module "…"`, as in ops/methods.ts, is not an import and does not count.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Visitor, parseSync } from "oxc-parser";

/** From left to right; folders in one entry are siblings and do not import each other. */
const layers: readonly (readonly string[])[] = [
  ["core"],
  ["kernels"],
  ["tensor"],
  ["autograd"],
  ["ops"],
  ["nn"],
  ["optim", "data", "fx"],
  ["quantization"],
  ["runtime"],
  ["io", "onnx"],
  ["report"],
  ["cli"],
];

/** Path of a source file from src/, with "/" between folders. */
type FilePath = string;

/** Every violation in `src`, one line each, in a fixed order. `packages` are the packages that src/ may import. */
export function checkLayers(src: string, packages: readonly string[]): string[] {
  const violations: string[] = [];
  const graph = new Map<FilePath, FilePath[]>();
  for (const file of sourceFiles(src)) {
    const targets: FilePath[] = [];
    for (const { specifier, isType } of importsOf(path.join(src, file))) {
      const problem = specifier.startsWith(".")
        ? addRelative(src, file, specifier, targets)
        : packageProblem(file, specifier, isType, packages);
      if (problem) violations.push(`${file}: ${problem}`);
    }
    graph.set(file, targets);
  }
  const cycles = cyclesOf(graph).map((cycle) => `import cycle: ${cycle.join(" -> ")}`);
  return [...new Set([...violations, ...cycles])];
}

function sourceFiles(src: string): FilePath[] {
  return readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.replaceAll(path.sep, "/"))
    .sort();
}

interface Import {
  readonly specifier: string;
  /** The compiler erases it. */
  readonly isType: boolean;
}

/** What a file imports, re-exports, loads with `import()` or names in a type `import("…")`. */
function importsOf(file: string): Import[] {
  const { program, errors } = parseSync(file, readFileSync(file, "utf8"));
  if (errors.length) throw new Error(`${file}: ${errors[0].message}`);
  const found: Import[] = [];
  const note = (source: unknown, isType: boolean) => {
    const value = (source as { value?: unknown } | null)?.value;
    if (typeof value === "string") found.push({ specifier: value, isType });
  };
  new Visitor({
    ImportDeclaration: (node) => note(node.source, node.importKind === "type"),
    ExportNamedDeclaration: (node) => note(node.source, node.exportKind === "type"),
    ExportAllDeclaration: (node) => note(node.source, node.exportKind === "type"),
    ImportExpression: (node) => note(node.source, false),
    TSImportType: (node) => note(node.source, true),
  }).visit(program);
  return found;
}

/** Records the imported file in `targets`; returns what is wrong with the import, or undefined. */
function addRelative(src: string, file: FilePath, specifier: string, targets: FilePath[]): string | undefined {
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (target.startsWith("../")) return `imports ${specifier}, which lies outside src/`;
  if (!existsSync(path.join(src, target))) return `imports ${specifier}, which does not exist`;
  targets.push(target);
  return directionProblem(file, target);
}

function directionProblem(file: FilePath, target: FilePath): string | undefined {
  const [from, to] = [folderOf(file), folderOf(target)];
  if (from === null || from === to) return undefined; // files directly in src/ may import everything
  if (to === null) return `imports ${target}: only files directly in src/ may`;
  const [fromLayer, toLayer] = [from, to].map((folder) => layers.findIndex((layer) => layer.includes(folder)));
  if (fromLayer < 0) return `${from}/ has no place in the layers`;
  if (toLayer < 0) return `imports ${target}: ${to}/ has no place in the layers`;
  if (toLayer === fromLayer) return `imports ${target}: ${from}/ and ${to}/ are siblings`;
  return toLayer > fromLayer ? `imports ${target}: ${to}/ is to the right of ${from}/` : undefined;
}

/** The top folder of a file, or null for a file directly in src/. */
function folderOf(file: FilePath): string | null {
  const cut = file.indexOf("/");
  return cut < 0 ? null : file.slice(0, cut);
}

function packageProblem(
  file: FilePath,
  specifier: string,
  isType: boolean,
  packages: readonly string[],
): string | undefined {
  if (isBuiltin(specifier)) {
    return isType || folderOf(file) === "cli"
      ? undefined
      : `imports ${specifier}: no Node modules in src/, use process.getBuiltinModule`;
  }
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  return packages.includes(name) ? undefined : `imports ${specifier}, which is not a dependency in package.json`;
}

/** The shortest cycle through each file that is on one; every cycle once, starting at its first file by name. */
function cyclesOf(graph: ReadonlyMap<FilePath, readonly FilePath[]>): FilePath[][] {
  const cycles = new Map<string, FilePath[]>();
  for (const start of graph.keys()) {
    const cycle = shortestWayBack(graph, start);
    if (!cycle) continue;
    const first = cycle.indexOf(cycle.toSorted()[0]);
    const turned = [...cycle.slice(first), ...cycle.slice(0, first)];
    cycles.set(turned.join(), [...turned, turned[0]]);
  }
  return [...cycles.values()];
}

/** The files on the shortest way from `start` to itself, `start` once; null if there is none. Breadth-first. */
function shortestWayBack(graph: ReadonlyMap<FilePath, readonly FilePath[]>, start: FilePath): FilePath[] | null {
  const ways: FilePath[][] = [[start]];
  const seen = new Set<FilePath>();
  for (const way of ways) {
    for (const next of graph.get(way[way.length - 1]) ?? []) {
      if (next === start) return way;
      if (seen.has(next)) continue;
      seen.add(next);
      ways.push([...way, next]);
    }
  }
  return null;
}

/** Packages that a user of the published package has. */
function shippedPackages(root: string): string[] {
  const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as Record<
    string,
    object | undefined
  >;
  return ["dependencies", "optionalDependencies", "peerDependencies"].flatMap((key) =>
    Object.keys(manifest[key] ?? {}),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const violations = checkLayers(path.join(root, "src"), shippedPackages(root));
  for (const line of violations) console.error(line);
  if (violations.length) process.exitCode = 1;
  else console.log("layers: all imports point to the left, and none goes in a circle");
}
