import type { Definition } from "./Engine.ts"
import type { LiveRun } from "./LiveRun.ts"

/** The programs that an engine knows, and by which of them a run is carried out: two may have the same name and version. */
export class Registrations {
  private readonly all: Array<Definition> = []
  private readonly byRun = new WeakMap<LiveRun, Definition>()

  /** A registration of its own, also if the same definition is added twice. */
  add(definition: Definition): Definition {
    const registration = { ...definition }
    this.all.push(registration)
    return registration
  }

  remove(registration: Definition): void {
    this.all.splice(this.all.indexOf(registration), 1)
  }

  has(registration: Definition): boolean {
    return this.all.includes(registration)
  }

  /** The latest that can carry out runs of this version. */
  find(name: string, version: number): Definition | undefined {
    return this.all.findLast(
      (known) => known.name === name && (known.version === version || known.compatibleWith.includes(version))
    )
  }

  assign(run: LiveRun, registration: Definition): void {
    this.byRun.set(run, registration)
  }

  of(run: LiveRun): Definition | undefined {
    return this.byRun.get(run)
  }
}
