/**
 * Rewrites a graph by running it on traced values (`torch.fx.Transformer`): a subclass changes what an opcode does, and
 * what it then does to its arguments is the new graph.
 */
import type { Module } from "../nn/module.ts";
import type { Argument, Kwargs } from "./argument.ts";
import { GraphModule } from "./graph-module.ts";
import type { Graph } from "./graph.ts";
import { Interpreter, joinOptions } from "./interpreter.ts";
import type { FxNode, Opcode, Target, TargetFunction } from "./node.ts";
import { moduleAt } from "./program.ts";
import { TraceTensor } from "./trace-tensor.ts";
import { Tracer } from "./tracer.ts";

/** Records what happens while a graph is run again. Modules stay the nodes they are. */
class RewritingTracer extends Tracer {
  /** The node that is being run; new nodes come from the same module as it. */
  source: FxNode | null = null;

  override isLeafModule(): boolean {
    return true;
  }

  override createNode(op: Opcode, target: Target, args: readonly Argument[], kwargs: Kwargs, name?: string): FxNode {
    const node = super.createNode(op, target, args, kwargs, name);
    if (this.source && "nnModuleStack" in this.source.meta) node.meta.nnModuleStack = this.source.meta.nnModuleStack;
    return node;
  }

  rewrite(root: Module, body: () => Argument): Graph {
    this.begin(root);
    const graph = this.graph;
    this.runTracing(() => this.createNode("output", "output", [this.createArg(body())], {}));
    return graph;
  }
}

export class Transformer extends Interpreter {
  private readonly tracer = new RewritingTracer();

  /** A module that runs the rewritten graph. It shares its parts with the one given. */
  transform(): GraphModule {
    const graph = this.tracer.rewrite(this.module, () => this.run() as Argument);
    return new GraphModule(this.module, graph, this.module.getName());
  }

  override runNode(node: FxNode): unknown {
    this.tracer.source = node;
    return super.runNode(node);
  }

  override placeholder(target: string, args: readonly unknown[], _kwargs: Kwargs): unknown {
    return this.tracer.createProxy("placeholder", target, args, {});
  }

  override getAttr(target: string, _args: readonly unknown[], _kwargs: Kwargs): unknown {
    return this.tracer.createProxy("get_attr", target, [], {});
  }

  override callModule(target: string, args: readonly unknown[], kwargs: Kwargs): unknown {
    return moduleAt(this.module, target)(...joinOptions(args, kwargs));
  }

  override callMethod(target: string, args: readonly unknown[], kwargs: Kwargs): unknown {
    if (!(args[0] instanceof TraceTensor)) return super.callMethod(target, args, kwargs);
    return this.tracer.createProxy("call_method", target, args, kwargs);
  }

  override callFunction(target: TargetFunction, args: readonly unknown[], kwargs: Kwargs): unknown {
    return this.tracer.createProxy("call_function", target, args, kwargs);
  }
}
