/** Instances of patterns as data: what JSON and YAML documents say, and what templates make. */
import type * as Schema from "effect/Schema"

/** Who takes a slot: an agent by its name, one of `where`, or an instance of its own. */
export type Member = string | Instance | { readonly [key: string]: Schema.Json }

/** Who takes the slots: one, several in order, or several by name. */
export type Members = {
  readonly [slot: string]: Member | ReadonlyArray<Member> | { readonly [name: string]: Member }
}

/** An instance, but for its name. */
export type Body =
  | {
      readonly pattern: string
      /** JSON, as the options' schemas encode. */
      readonly options?: { readonly [option: string]: Schema.Json }
      readonly slots?: Members
    }
  | {
      readonly template: string
      readonly parameters?: { readonly [parameter: string]: Schema.Json }
    }

/**
 * An instance as data.
 *
 * @category models
 * @since 0.1.0
 */
export type Instance = Body & { readonly name: string }

/**
 * An instance with others beside it, to be named in its slots: the same name is the same agent wherever it stands.
 *
 * @category models
 * @since 0.1.0
 */
export type Document = Instance & {
  /** Their names are the keys. */
  readonly where?: { readonly [name: string]: Body }
}
