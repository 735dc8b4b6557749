/**
 * One directory of text files: the narrow port that the JSON document store is written on.
 *
 * `backends/NodeDirectory.ts` implements it on Node's file system. All calls are synchronous, so that nothing of this
 * process can come between two of them; they throw what the file system throws.
 */
import * as Context from "effect/Context"

/**
 * A directory that is ours alone, with all below it. Names are relative to it, with `/` between their parts.
 *
 * @category services
 * @since 0.1.0
 */
export class Directory extends Context.Service<
  Directory,
  {
    readonly path: string
    /** Every file, but those whose name, or whose directory's, begins with a dot. */
    readonly list: () => ReadonlyArray<string>
    readonly read: (name: string) => string
    /** Writes a file, and the directories above it. A reader, also one after a crash, finds the old text or the new one. */
    readonly replace: (name: string, text: string) => void
    /** A file that is not there is as good as removed. */
    readonly remove: (name: string) => void
  }
>()("tutti/persistence/Directory") {}
