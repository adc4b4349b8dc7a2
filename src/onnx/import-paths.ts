/** Paths of modules and tensors in the imported module: each only once, and none that hides something else. */
import { Graph } from "../fx/graph.ts";
import { GraphModule } from "../fx/graph-module.ts";

/** What a module has already cannot name something in it. */
const taken = new GraphModule({}, emptyGraph());

function emptyGraph(): Graph {
  const graph = new Graph();
  graph.output(null);
  return graph;
}

export class Paths {
  private readonly used = new Set<string>();
  /** Paths that have others below them. */
  private readonly owners = new Set<string>();

  /** `wanted`, or with a number behind it if it is not free. */
  take(wanted: string): string {
    const safe = wanted
      .split(".")
      .map((atom) => (atom in taken ? `${atom}_` : atom))
      .join(".");
    let path = safe;
    for (let count = 1; !this.isFree(path); count++) path = `${safe}_${count}`;
    this.used.add(path);
    for (const owner of ownersOf(path)) this.owners.add(owner);
    return path;
  }

  private isFree(path: string): boolean {
    return !this.used.has(path) && !this.owners.has(path) && !ownersOf(path).some((owner) => this.used.has(owner));
  }
}

function ownersOf(path: string): string[] {
  const atoms = path.split(".");
  return atoms.slice(1).map((_, i) => atoms.slice(0, i + 1).join("."));
}
