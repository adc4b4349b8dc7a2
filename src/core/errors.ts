/**
 * The error classes of Octet. Every message is one line that names the operator or file, the offending value, and
 * what to do about it.
 */

/** Wrong arguments to an operator or module: shapes, dtypes, ranges. PyTorch raises RuntimeError, ValueError or IndexError. */
export class OctetError extends Error {
  override readonly name: string = "OctetError";
}

/** A file (safetensors, checkpoint, npz, …) that is truncated, malformed or asks for something unsafe. */
export class FileFormatError extends OctetError {
  override readonly name = "FileFormatError";
}

/** Throws an {@link OctetError} unless `condition` holds; `message` is built only on failure. */
export function check(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new OctetError(message());
}

/** Formats a shape as PyTorch prints sizes: `[2, 3]`. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
