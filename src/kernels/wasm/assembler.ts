/**
 * A small WebAssembly assembler: typed expressions, named instructions, structured control flow. Kernels are emitted with
 * it at load time, so that no toolchain is needed and no binary is shipped. It is not a compiler: it optimizes nothing
 * (the engine does), and it knows only the instructions that the kernels use (listed in instructions.ts).
 *
 *     const module = new ModuleBuilder();
 *     const sum = module.func("sum", { x: "i32", n: "i32" }, (f, { x, n }) => {
 *       const total = f.local("v128", f32x4.zero());
 *       f.repeat(n, () => {
 *         f.set(total, f32x4.add(total, v128.load(x)));
 *         f.increase(x, 16);
 *       });
 *       …
 *     });
 *     new WebAssembly.Module(module.assemble());
 */
import { encodeName, encodeUnsigned, i32, joinBytes, VALUE_TYPE_CODES } from "./instructions.ts";
import type { Value, ValueType } from "./instructions.ts";

/** A parameter or local variable; as a value, it reads itself. */
export interface Local<T extends ValueType> extends Value<T> {
  readonly index: number;
}

/** A function of the module, to be called by others of the same module. */
export interface FunctionHandle {
  readonly index: number;
  readonly parameterCount: number;
}

type ParameterTypes = Readonly<Record<string, ValueType>>;
type Parameters<P extends ParameterTypes> = { readonly [K in keyof P]: Local<P[K]> };

const OPCODE = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  branch: 0x0c,
  branchIf: 0x0d,
  return: 0x0f,
  call: 0x10,
  localGet: 0x20,
  localSet: 0x21,
} as const;
const NO_RESULT = 0x40;

/** Collects one function's locals and code. Every method appends one statement. */
export class FunctionBuilder {
  readonly #parameterCount: number;
  readonly #localTypes: ValueType[] = [];
  readonly #code: number[] = [];

  constructor(parameterCount: number) {
    this.#parameterCount = parameterCount;
  }

  /** Declares a local variable; it starts as `initial`, or zero at function entry. */
  local<T extends ValueType>(type: T, initial?: Value<T>): Local<T> {
    const local = makeLocal(type, this.#parameterCount + this.#localTypes.length);
    this.#localTypes.push(type);
    if (initial) this.set(local, initial);
    return local;
  }

  set<T extends ValueType>(local: Local<T>, value: Value<T>): void {
    this.#emit(value.code, OPCODE.localSet, encodeUnsigned(local.index));
  }

  /** local += amount. */
  increase(local: Local<"i32">, amount: Value<"i32"> | number): void {
    this.set(local, i32.add(local, amount));
  }

  /** Appends an instruction without result, such as a store. */
  run(statement: { readonly statement: readonly number[] }): void {
    this.#emit(statement.statement);
  }

  call(target: FunctionHandle, ...args: Value<ValueType>[]): void {
    if (args.length !== target.parameterCount) {
      throw new Error(`assembler: call passes ${args.length} of ${target.parameterCount} arguments`);
    }
    this.#emit(...args.map((argument) => argument.code), OPCODE.call, encodeUnsigned(target.index));
  }

  return(): void {
    this.#emit(OPCODE.return);
  }

  if_(condition: Value<"i32">, then: () => void, otherwise?: () => void): void {
    this.#emit(condition.code, OPCODE.if, NO_RESULT);
    then();
    if (otherwise) {
      this.#emit(OPCODE.else);
      otherwise();
    }
    this.#emit(OPCODE.end);
  }

  /** do { body } while (condition). */
  doWhile(body: () => void, condition: () => Value<"i32">): void {
    this.#emit(OPCODE.loop, NO_RESULT);
    body();
    this.#emit(condition().code, OPCODE.branchIf, encodeUnsigned(0), OPCODE.end);
  }

  /** while (condition) { body }, tested at the bottom. */
  while_(condition: () => Value<"i32">, body: () => void): void {
    this.if_(condition(), () => this.doWhile(body, condition));
  }

  /** for (i = from; i < limit; i += step), unsigned. `limit` is read again each time: make it a local or a constant. */
  forRange(
    i: Local<"i32">,
    from: Value<"i32"> | number,
    limit: Value<"i32"> | number,
    step: Value<"i32"> | number,
    body: () => void,
  ): void {
    this.set(i, i32.from(from));
    this.while_(
      () => i32.ltU(i, limit),
      () => {
        body();
        this.increase(i, step);
      },
    );
  }

  /** Runs `body` `count` times, counting the local down to zero: the cheapest loop there is. */
  repeat(count: Local<"i32">, body: () => void): void {
    this.if_(count, () =>
      this.doWhile(
        () => {
          body();
          this.increase(count, -1);
        },
        () => count,
      ),
    );
  }

  /** The function's entry of the code section: size, locals, instructions. */
  encode(): number[] {
    const locals = this.#localTypes.flatMap((type) => [...encodeUnsigned(1), VALUE_TYPE_CODES[type]]);
    const body = joinBytes([encodeUnsigned(this.#localTypes.length), locals, this.#code, [OPCODE.end]]);
    return joinBytes([encodeUnsigned(body.length), body]);
  }

  #emit(...parts: (number | readonly number[])[]): void {
    for (const part of parts) {
      if (typeof part === "number") this.#code.push(part);
      else for (const byte of part) this.#code.push(byte);
    }
  }
}

interface FunctionRecord {
  readonly name: string;
  readonly parameterTypes: readonly ValueType[];
  readonly builder: FunctionBuilder;
}

/** Collects functions into a module that imports `env.memory` and exports every function by name. */
export class ModuleBuilder {
  readonly #functions: FunctionRecord[] = [];

  /** Adds a function without result. `body` receives its parameters by name, in the order of `types`. */
  func<P extends ParameterTypes>(
    name: string,
    types: P,
    body: (f: FunctionBuilder, parameters: Parameters<P>) => void,
  ): FunctionHandle {
    const names = Object.keys(types);
    const builder = new FunctionBuilder(names.length);
    const locals = Object.fromEntries(names.map((key, index) => [key, makeLocal(types[key], index)]));
    body(builder, locals as Parameters<P>);
    this.#functions.push({ name, parameterTypes: names.map((key) => types[key]), builder });
    return { index: this.#functions.length - 1, parameterCount: names.length };
  }

  /** The binary module. Its memory import accepts any unshared memory. */
  assemble(): Uint8Array<ArrayBuffer> {
    const { typeEntries, typeOf } = this.#types();
    const memoryImport = [...encodeName("env"), ...encodeName("memory"), 0x02, 0x00, ...encodeUnsigned(0)];
    const exports = this.#functions.map((f, index) => [...encodeName(f.name), 0x00, ...encodeUnsigned(index)]);
    const magicAndVersion = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]; // "\0asm", 1
    const bodies = this.#functions.map((f) => f.builder.encode());
    const sections = [
      section(1, typeEntries),
      section(2, [memoryImport]),
      section(3, typeOf.map(encodeUnsigned)),
      section(7, exports),
      section(10, bodies),
    ];
    return Uint8Array.from(joinBytes([magicAndVersion, ...sections]));
  }

  /** The distinct signatures, and each function's index among them. */
  #types(): { typeEntries: number[][]; typeOf: number[] } {
    const typeEntries: number[][] = [];
    const indexOfKey = new Map<string, number>();
    const typeOf = this.#functions.map(({ parameterTypes }) => {
      const key = parameterTypes.join();
      let index = indexOfKey.get(key);
      if (index === undefined) {
        index = typeEntries.length;
        indexOfKey.set(key, index);
        const codes = parameterTypes.map((type) => VALUE_TYPE_CODES[type]);
        typeEntries.push([0x60, ...encodeUnsigned(codes.length), ...codes, ...encodeUnsigned(0)]);
      }
      return index;
    });
    return { typeEntries, typeOf };
  }
}

function section(id: number, entries: readonly (readonly number[])[]): number[] {
  const body = joinBytes([encodeUnsigned(entries.length), ...entries]);
  return joinBytes([[id], encodeUnsigned(body.length), body]);
}

function makeLocal<T extends ValueType>(type: T, index: number): Local<T> {
  return { type, index, code: [OPCODE.localGet, ...encodeUnsigned(index)] };
}
