/** Pairs of text, as metadata and a few other fields store them. */
import type { Field } from "./message.ts";
import { keyed, tableMessage, text } from "./message.ts";
import type { UnknownField } from "./model.ts";

interface Entry {
  readonly key: string;
  readonly value: string;
  readonly unknownFields: readonly UnknownField[];
}

const entryMessage = tableMessage<Entry>(() => ({
  key: text(1, { always: true }),
  value: text(2, { always: true }),
}));

export function properties(number: number): Field<ReadonlyMap<string, string>> {
  return keyed(
    number,
    () => entryMessage,
    "property",
    ({ key, value }) => [key, value],
    (key, value) => ({ key, value, unknownFields: [] }),
  );
}
