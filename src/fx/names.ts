/**
 * Names of nodes: unique within a graph, and those PyTorch would give, so that a graph traced here and one traced there
 * can be compared line by line. That is why Python's keywords and builtins are avoided although they mean nothing here.
 */

const KEYWORDS =
  "False None True and as assert async await break class continue def del elif else except finally for from global if " +
  "import in is lambda nonlocal not or pass raise return try while with yield";

const BUILTIN_FUNCTIONS =
  "__build_class__ __debug__ __doc__ __import__ __loader__ __name__ __package__ __spec__ abs aiter all anext any ascii " +
  "bin bool breakpoint bytearray bytes callable chr classmethod compile complex copyright credits delattr dict dir " +
  "divmod enumerate eval exec exit filter float format frozenset getattr globals hasattr hash help hex id input int " +
  "isinstance issubclass iter len license list locals map max memoryview min next object oct open ord pow print " +
  "property quit range repr reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip";

const BUILTIN_CLASSES =
  "ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError BrokenPipeError " +
  "BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError " +
  "ConnectionResetError DeprecationWarning EOFError Ellipsis EncodingWarning EnvironmentError Exception ExceptionGroup " +
  "FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError ImportError ImportWarning " +
  "IndentationError IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError " +
  "ModuleNotFoundError NameError NotADirectoryError NotImplemented NotImplementedError OSError OverflowError " +
  "PendingDeprecationWarning PermissionError ProcessLookupError RecursionError ReferenceError ResourceWarning " +
  "RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError SystemExit " +
  "TabError TimeoutError TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError " +
  "UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning ZeroDivisionError";

/** Names that PyTorch's generated code imports. */
const IMPORTED = "inf nan NoneType torch device fx_pytree pytree";

const RESERVED: ReadonlySet<string> = new Set(
  [KEYWORDS, BUILTIN_FUNCTIONS, BUILTIN_CLASSES, IMPORTED].join(" ").split(" "),
);

/** Gives out names, each only once. */
export class Namespace {
  private readonly used = new Set<string>();
  /** The last number given to each base name. */
  private readonly counts = new Map<string, number>();

  /** `candidate`, made an identifier; with a number at its end if it is taken or reserved. */
  createName(candidate: string): string {
    let name = candidate.replace(/[^0-9a-zA-Z_]+/g, "_") || "_unnamed";
    if (/^\d/.test(name)) name = `_${name}`;
    const numbered = /^(.*)_(\d+)$/.exec(name);
    const base = numbered ? numbered[1] : name;
    let count = numbered ? Number(numbered[2]) : 0;
    name = numbered ? `${base}_${count}` : base;
    if (count === 0) count = this.counts.get(base) ?? 0;
    while (this.used.has(name) || RESERVED.has(name)) name = `${base}_${++count}`;
    this.used.add(name);
    this.counts.set(base, count);
    return name;
  }
}

/** PyTorch's name of a function or method here: `maxPool2d` → `max_pool2d`, `l1Loss` → `l1_loss`. */
export function pythonName(name: string): string {
  return name.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** What PyTorch makes of a target for the name of a node: `Layer1.fcOut` → `layer1.fc_out`. */
export function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

/** The name of a Tensor method here for PyTorch's: `masked_fill_` → `maskedFill_`. */
export function camelCase(name: string): string {
  return name.replace(/(?<=[a-zA-Z0-9])_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
