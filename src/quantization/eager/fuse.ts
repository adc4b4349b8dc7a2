/** Fusion in eager mode: replaces runs of named modules by one (`torch.ao.quantization.fuse_modules`). */
import { OctetError } from "../../core/errors.ts";
import type { Module } from "../../nn/module.ts";
import { Identity } from "../../nn/modules/identity.ts";
import { moveHooks } from "../observed-module.ts";
import type { Fuser, ModuleClass } from "../recipes/recipe.ts";
import { recipes } from "../recipes/index.ts";

export interface FuseOptions {
  /** Changes `model` itself instead of a copy. */
  readonly inplace?: boolean;
  /** Makes the replacements for a run of modules; default {@link fuseKnownModules}. */
  readonly fuserFunc?: (modules: readonly Module[], isQat: boolean, additional?: readonly CustomFusion[]) => Module[];
  /** Patterns of your own, tried before the known ones. */
  readonly additionalFuserMethodMapping?: readonly CustomFusion[];
}

/** A sequence of module classes and what makes one module of it. */
export interface CustomFusion {
  readonly pattern: readonly ModuleClass[];
  readonly fuse: Fuser;
}

/**
 * Fuses runs such as `["conv1", "bn1", "relu1"]` (or a list of runs) for inference: batch norms are folded into the weights
 * before them. The first module of a run becomes the fused one, the others Identity.
 *
 * @throws if a run matches no known pattern, or the model is in training mode and a batch norm is to be folded.
 */
export function fuseModules<M extends Module>(
  model: M,
  modulesToFuse: readonly string[] | readonly string[][],
  options: FuseOptions = {},
): M {
  return fuseAll(model, modulesToFuse, false, options);
}

/** As {@link fuseModules} for quantization-aware training: batch norms stay, and are folded at conversion. */
export function fuseModulesQat<M extends Module>(
  model: M,
  modulesToFuse: readonly string[] | readonly string[][],
  options: FuseOptions = {},
): M {
  return fuseAll(model, modulesToFuse, true, options);
}

function fuseAll<M extends Module>(
  model: M,
  modulesToFuse: readonly string[] | readonly string[][],
  isQat: boolean,
  options: FuseOptions,
): M {
  const target = options.inplace ? model : model.deepCopy();
  const runs = (
    modulesToFuse.every((item) => typeof item === "string") ? [modulesToFuse] : modulesToFuse
  ) as string[][];
  for (const names of runs) {
    const modules = names.map((name) => target.getSubmodule(name));
    const fuser = options.fuserFunc ?? fuseKnownModules;
    const replacements = fuser(modules, isQat, options.additionalFuserMethodMapping);
    names.forEach((name, i) => target.setSubmodule(name, replacements[i]));
  }
  return target;
}

/** The modules to put in place of a run: the fused one, then Identities. Hooks before the first and after the last move along. */
export function fuseKnownModules(
  modules: readonly Module[],
  isQat: boolean,
  additional: readonly CustomFusion[] = [],
): Module[] {
  const fuse = getFuserMethod(
    modules.map((module) => module.constructor as unknown as ModuleClass),
    additional,
  );
  const fused = fuse(isQat, ...modules);
  const [first, last] = [modules[0], modules[modules.length - 1]];
  moveHooks(first, fused, "pre");
  moveHooks(last, fused, "post");
  const rest = modules.slice(1).map(() => {
    const identity = new Identity();
    identity.training = first.training;
    return identity;
  });
  return [fused, ...rest];
}

/** The function that fuses modules of these classes. */
export function getFuserMethod(classes: readonly ModuleClass[], additional: readonly CustomFusion[] = []): Fuser {
  const known = [...additional, ...recipes.flatMap((recipe) => recipe.fusions ?? [])];
  const match = known.find(
    ({ pattern }) => pattern.length === classes.length && pattern.every((type, i) => type === classes[i]),
  );
  if (!match) throw new OctetError(`did not find fuser method for: (${classes.map((c) => c.name).join(", ")})`);
  return match.fuse;
}
