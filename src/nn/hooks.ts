/** Lists of hooks: functions that run before or after a module's `forward`. */

/** Undoes a registration. */
export interface RemovableHandle {
  remove(): void;
}

/** One object per registration: a hook that is registered twice runs twice, and each handle removes it once. */
interface Registration<H> {
  readonly hook: H;
}

export class HookList<H> {
  /** In the order they run. Replaced, never changed, so that a hook may remove itself while the list is being run. */
  registrations: readonly Registration<H>[] = [];

  /** Adds `hook` at the end, or before all others. */
  add(hook: H, prepend = false): RemovableHandle {
    const added: Registration<H> = { hook };
    this.registrations = prepend ? [added, ...this.registrations] : [...this.registrations, added];
    return { remove: () => void (this.registrations = this.registrations.filter((other) => other !== added)) };
  }

  /** Removes every registration of `hook`. */
  removeAll(hook: unknown): void {
    this.registrations = this.registrations.filter((registration) => registration.hook !== hook);
  }

  list(): H[] {
    return this.registrations.map(({ hook }) => hook);
  }
}
