/**
 * A life cycle as two tables: which commands a state accepts, and where an event leads.
 *
 * Invariants (checked by `test/core/StateMachine.test.ts` and by the tests of each life cycle):
 *
 *   M1. A command that the table does not name for a state is refused with `IllegalTransition`, never ignored.
 *   M2. An event that the table does not name for a state leaves the state as it is: reading a log never fails.
 *   M3. A state that accepts no command is final.
 *
 * Source: the decider of Chassaing, "Functional Event Sourcing Decider", 2021.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

interface Tagged {
  readonly _tag: string
}

type Of<Union extends Tagged, Tag> = Extract<Union, { readonly _tag: Tag }>

/** The state does not accept the command. */
export class IllegalTransition extends Schema.TaggedError<IllegalTransition>()("IllegalTransition", {
  machine: Schema.String,
  /** Tag of the state. */
  from: Schema.String,
  /** Tag of the command. */
  command: Schema.String,
  /** Tags of the commands that the state accepts. Empty: the state is final. */
  accepted: Schema.Array(Schema.String),
  /** Why a command that the state accepts was refused all the same. */
  issue: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const refused = `A ${this.machine} in state ${this.from} refuses ${this.command}`
    if (this.issue !== undefined) return `${refused}: ${this.issue}.`
    if (this.accepted.length === 0) return `${refused}: the state is final.`
    return `${refused}: it accepts ${this.accepted.join(", ")}.`
  }
}

/** For each state, the commands it accepts and the events they lead to. */
export type Decisions<State extends Tagged, Command extends Tagged, Event extends Tagged> = {
  readonly [From in State["_tag"]]: {
    readonly [Name in Command["_tag"]]?: (state: Of<State, From>, command: Of<Command, Name>) => ReadonlyArray<Event>
  }
}

/** For each state, the events that change it. */
export type Evolutions<State extends Tagged, Event extends Tagged> = {
  readonly [From in State["_tag"]]: {
    readonly [Name in Event["_tag"]]?: (state: Of<State, From>, event: Of<Event, Name>) => State
  }
}

export interface StateMachine<State extends Tagged, Command extends Tagged, Event extends Tagged> {
  readonly name: string
  readonly initialState: State
  /** The events that the command leads to. Changes nothing. */
  readonly decide: (state: State, command: Command) => Result.Result<ReadonlyArray<Event>, IllegalTransition>
  /** The state after the event. */
  readonly evolve: (state: State, event: Event) => State
  /** Tags of the commands that the state accepts. */
  readonly accepted: (state: State) => ReadonlyArray<Command["_tag"]>
  /** The refusal of a command that the state accepts as such, but not with this content. */
  readonly refusal: (state: State, command: Command, issue?: string) => IllegalTransition
  /** A final state accepts no command. */
  readonly isFinal: (state: State) => boolean
}

type Row = { readonly [tag: string]: ((state: unknown, input: unknown) => any) | undefined }

/** The entry of a table, which the types of the table have matched to the state and to what meets it. */
const entry = (table: object, state: Tagged, input: Tagged) => {
  const row = (table as { readonly [tag: string]: Row })[state._tag]
  return row !== undefined && Object.hasOwn(row, input._tag) ? row[input._tag] : undefined
}

/**
 * Makes a state machine from its tables.
 *
 * @category constructors
 * @stability stable
 * @since 0.1.0
 */
export const make = <State extends Tagged, Command extends Tagged, Event extends Tagged>(
  name: string,
  options: {
    readonly initialState: State
    readonly decide: Decisions<State, Command, Event>
    readonly evolve: Evolutions<State, Event>
  }
): StateMachine<State, Command, Event> => {
  const accepted = (state: State): ReadonlyArray<Command["_tag"]> =>
    Object.keys(options.decide[state._tag as State["_tag"]])
  const refusal = (state: State, command: Command, issue?: string) =>
    new IllegalTransition({
      machine: name,
      from: state._tag,
      command: command._tag,
      accepted: accepted(state),
      ...(issue === undefined ? {} : { issue })
    })
  return {
    name,
    initialState: options.initialState,
    decide: (state, command) => {
      const decide = entry(options.decide, state, command)
      return decide === undefined ? Result.fail(refusal(state, command)) : Result.succeed(decide(state, command))
    },
    evolve: (state, event) => {
      const evolve = entry(options.evolve, state, event)
      return evolve === undefined ? state : evolve(state, event)
    },
    accepted,
    refusal,
    isFinal: (state) => accepted(state).length === 0
  }
}
