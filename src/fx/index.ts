/** Graphs of models, and passes over them (`torch.fx`). */
export { FxNode as Node, hasSideEffect, isNode, mapArg } from "./node.ts";
export type { Argument, Kwargs, Opcode, ReplaceOptions, Target, TargetFunction } from "./node.ts";
export { mapAggregate } from "./argument.ts";
export { Graph } from "./graph.ts";
export { GraphModule } from "./graph-module.ts";
export * as operators from "./operators.ts";
export { TraceError, TraceTensor } from "./trace-tensor.ts";
export { Tracer, symbolicTrace } from "./tracer.ts";
export type {
  ConcreteArgs,
  ModuleEntry,
  ModuleType,
  SymbolicTraceOptions,
  TraceRoot,
  TracerOptions,
} from "./tracer.ts";
export { wrap } from "./wrap.ts";
export { Interpreter } from "./interpreter.ts";
export type { InterpreterOptions } from "./interpreter.ts";
export { Transformer } from "./transformer.ts";
export { SubgraphMatcher } from "./matcher.ts";
export type { InternalMatch, MatcherOptions } from "./matcher.ts";
export { replacePattern, replacePatternWithFilters } from "./subgraph-rewriter.ts";
export type {
  GraphSource,
  Match,
  MatchFilter,
  ReplaceWithFiltersOptions,
  ReplacedPatterns,
} from "./subgraph-rewriter.ts";
export { ShapeProp } from "./shape-prop.ts";
export type { TensorMetadata } from "./shape-prop.ts";
