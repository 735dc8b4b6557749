/** Makes an orchestration of a tree, and remembers what its transactions owe to the outside world. */
import { Effect, Exit, Fiber, Option, Schedule, Schema } from "effect"
import * as Run from "../../../src/core/Run.ts"
import {
  Agent,
  Directive,
  Hedge,
  MapReduce,
  Orchestration,
  PatternEvent,
  Race,
  Router,
  Saga,
  Signal,
  Step,
  Supervisor,
  Task,
  Timer,
  Verdict,
  VerifyLoop
} from "../../../src/index.ts"
import { Refused, Say } from "../program.ts"
import type { Tree } from "./Tree.ts"

export const Ping = Signal.make("ping", { by: Schema.String })
const Judge = Task.make("Judge", { input: { text: Schema.String }, output: Verdict.schema(Schema.String) })

/** A transaction that was begun. `failed`: `undefined` until it has ended. */
interface Frame {
  readonly outer: Frame | undefined
  failed: boolean | undefined
}

/** A step that has a compensation. */
interface Debt {
  readonly name: string
  readonly frame: Frame
  undone: number
}

/** What one execution of the program knows in the end: the last one has heard everything that was recorded. */
export interface Ledger {
  readonly debts: Array<Debt>
}

type Said = Effect.Effect<string, any, any>
type Worker = Agent.Agent<{ readonly text: string }, string, any, any>

interface Place {
  readonly ledger: Ledger
  readonly frame: Frame | undefined
  readonly text: string
}

/** Is the compensation of a step due, now that its transactions have ended? Nested ones are undone with the outer ones. */
export const isDue = (frame: Frame | undefined): boolean =>
  frame !== undefined && (frame.failed === true || isDue(frame.outer))

/** What the outside world holds. */
export interface Outside {
  /** Calls by idempotency key that had an effect. */
  readonly calls: Map<string, number>
}

export const program = (tree: Tree) => {
  const outside: Outside = { calls: new Map() }
  let ledger: Ledger = { debts: [] }
  const orchestration = Orchestration.make("Fuzz", {
    input: {},
    output: Schema.String,
    error: Refused,
    key: () => "one",
    run: () =>
      Effect.suspend(() => {
        ledger = { debts: [] }
        const said: Said = new Builder(outside).build(tree, { ledger, frame: undefined, text: "" })
        return Effect.mapError(said, (error) => new Refused({ what: nameOf(error) })) as Effect.Effect<string, Refused>
      })
  })
  return { orchestration, outside, ledger: () => ledger }
}

const nameOf = (error: any): string => (error._tag === "Refused" ? error.what : error._tag)

const minutes = (size: number) => `${size} minutes` as const

class Builder {
  private readonly outside: Outside

  constructor(outside: Outside) {
    this.outside = outside
  }

  build(tree: Tree, place: Place): Said {
    return Effect.suspend(() => this[tree.kind](tree, place))
  }

  private act(key: string): void {
    this.outside.calls.set(key, (this.outside.calls.get(key) ?? 0) + 1)
  }

  /** An agent with an effect; half of them take their time. */
  private worker(name: string, size: number, options: { readonly failsUntil?: number } = {}): Worker {
    return Agent.make(name, {
      task: Say,
      run: ({ text }, { attempt, idempotencyKey }) =>
        Effect.gen({ self: this }, function* () {
          if (size % 2 === 1) yield* Effect.sleep(minutes(size))
          for (let turn = 0; turn < size; turn += 2) yield* Effect.yieldNow
          if (attempt < (options.failsUntil ?? 1)) return yield* new Refused({ what: name })
          this.act(idempotencyKey)
          return `${name}(${text})`
        })
    })
  }

  private agent(tree: Tree, place: Place): Worker {
    if (tree.kind === "Say") return this.worker(`say${tree.id}`, tree.size)
    if (tree.kind === "Fail") return this.worker(`fail${tree.id}`, tree.size, { failsUntil: Infinity })
    return Agent.compose(`agent${tree.id}`, {
      run: ({ text }: { readonly text: string }) => this.build(tree, { ...place, text })
    })
  }

  private agents(tree: Tree, place: Place): [Worker, ...Array<Worker>] {
    return tree.kids.map((kid) => this.agent(kid, place)) as any
  }

  private branches(tree: Tree, place: Place): Record<string, Said> {
    return Object.fromEntries(tree.kids.map((kid, index) => [`b${index}`, this.build(kid, place)]))
  }

  private Say(tree: Tree, { text }: Place): Said {
    return this.worker(`say${tree.id}`, tree.size).run({ text })
  }

  private Fail(tree: Tree, { text }: Place): Said {
    return this.worker(`fail${tree.id}`, tree.size, { failsUntil: Infinity }).run({ text })
  }

  private Flaky(tree: Tree, { text }: Place): Said {
    const schedule = Schedule.exponential("1 minute").pipe(Schedule.upTo({ times: 4 }))
    return this.worker(`flaky${tree.id}`, tree.size, { failsUntil: 1 + (tree.size % 4) })
      .pipe(Agent.retry(schedule))
      .run({ text })
  }

  private Reconciled(tree: Tree, { text }: Place): Said {
    const name = `once${tree.id}`
    return Agent.make(name, {
      task: Say,
      idempotent: false,
      reconcile: (key) =>
        Effect.sync(() =>
          this.outside.calls.has(`!${key}`) ? { _tag: "Done", value: `${name}(${text})` } : { _tag: "NeverRan" }
        ),
      run: (input, { idempotencyKey }) =>
        Effect.gen({ self: this }, function* () {
          if (tree.size % 2 === 1) yield* Effect.sleep(minutes(tree.size))
          this.act(`!${idempotencyKey}`)
          yield* Effect.yieldNow
          return `${name}(${input.text})`
        })
    }).run({ text })
  }

  /** Its limit is reached, or not, but never at the same moment. */
  private Limited(tree: Tree, { text }: Place): Said {
    return this.worker(`limited${tree.id}`, tree.size).pipe(Agent.timeout("210 seconds")).run({ text })
  }

  private Undoable(tree: Tree, place: Place): Said {
    const { frame, ledger, text } = place
    const name = `undoable${tree.id}`
    const step = this.worker(name, tree.size).run({ text })
    if (frame === undefined) return step
    const debt: Debt = { name, frame, undone: 0 }
    const undoing = this.worker(`undo-${name}`, tree.size >> 1, { failsUntil: 1 + (tree.size >> 2) }).pipe(
      Agent.retry(Schedule.spaced("1 minute"))
    )
    return step.pipe(
      Effect.tap(() => Effect.sync(() => ledger.debts.push(debt))),
      Saga.undo(() => Effect.tap(undoing.run({ text }), () => Effect.sync(() => void debt.undone++)))
    )
  }

  private Sleep(tree: Tree): Said {
    return Effect.as(Timer.sleep(minutes(tree.size)), "slept")
  }

  private Receive(tree: Tree): Said {
    return Effect.map(
      Signal.awaitFor(Ping, minutes(tree.size)),
      Option.match({ onNone: () => "nobody", onSome: ({ by }) => by })
    )
  }

  private Note(tree: Tree): Said {
    return Effect.as(PatternEvent.state({ _tag: "RouteChosen", route: String(tree.id) }), "noted")
  }

  private Yield(tree: Tree): Said {
    return Effect.as(Effect.repeat(Effect.yieldNow, { times: tree.size }), "yielded")
  }

  private Verify(tree: Tree, { text }: Place): Said {
    const rounds = 1 + (tree.size % 3)
    const judge = Agent.make(`judge${tree.id}`, {
      task: Judge,
      run: ({ text }) =>
        Effect.sync(() => {
          const round = Number(/\((\d)/.exec(text)![1])
          return round >= rounds ? Verdict.accepted(round) : Verdict.rejected(`${round + 1}`, round)
        })
    })
    const strategy = VerifyLoop.bestOf(rounds, { atOnce: 2 })
    return VerifyLoop.make(`verify${tree.id}`, {
      attempt: {
        agent: this.worker(`attempt${tree.id}`, tree.size),
        input: (input: { readonly text: string }, last) => ({ text: `${last?.feedback ?? "1"} ${input.text}` })
      },
      verify: { agent: judge, input: (text) => ({ text }) },
      ...(tree.size > 4 ? { strategy } : {})
    }).run({ text })
  }

  private Seq(tree: Tree, place: Place): Said {
    return Effect.map(
      Effect.forEach(tree.kids, (kid) => this.build(kid, place)),
      (said) => said.join(" ")
    )
  }

  private All(tree: Tree, place: Place): Said {
    return Effect.map(Step.all(this.branches(tree, place)), (all) => Object.values(all).join("&"))
  }

  private Each(tree: Tree, place: Place): Said {
    const items = ["x", "y", "z"].slice(0, 2 + (tree.size % 2))
    const each = Step.forEach(items, (text) => this.build(tree.kids[0]!, { ...place, text }), {
      concurrency: 1 + (tree.size % 3)
    })
    return Effect.map(each, (said) => said.join("|"))
  }

  private Race(tree: Tree, place: Place): Said {
    return Step.race(this.branches(tree, place))
  }

  private Catch(tree: Tree, place: Place): Said {
    return Effect.catch(this.build(tree.kids[0]!, place), () => this.build(tree.kids[1]!, place))
  }

  private OrElse(tree: Tree, place: Place): Said {
    const [first, second] = this.agents(tree, place)
    return first.pipe(Agent.orElse(second!)).run({ text: place.text })
  }

  private Saga(tree: Tree, place: Place): Said {
    const frame: Frame = { outer: place.frame, failed: undefined }
    const compensate = tree.size > 5 ? "parallel" : "sequential"
    return this.build(tree.kids[0]!, { ...place, frame }).pipe(
      Effect.tap(() => (tree.size % 3 === 0 ? Effect.fail(new Refused({ what: `saga${tree.id}` })) : Effect.void)),
      Effect.onExit((exit) => Effect.sync(() => void (frame.failed = Exit.isFailure(exit)))),
      Saga.transaction(`saga${tree.id}`, { compensate })
    )
  }

  private Compose(tree: Tree, place: Place): Said {
    return Agent.compose(`compose${tree.id}`, { run: () => this.build(tree.kids[0]!, place) }).run({})
  }

  private Retry(tree: Tree, place: Place): Said {
    return this.agent(tree.kids[0]!, place)
      .pipe(Agent.retry(Schedule.spaced("1 minute").pipe(Schedule.upTo({ times: 1 }))))
      .run({ text: place.text })
  }

  private Timeout(tree: Tree, place: Place): Said {
    return Agent.compose(`timed${tree.id}`, { run: () => this.build(tree.kids[0]!, place) })
      .pipe(Agent.timeout(minutes(tree.size)))
      .run({})
  }

  private AgentRace(tree: Tree, place: Place): Said {
    return Race.make(`race${tree.id}`, {
      agents: this.agents(tree, place),
      first: tree.size % 2 === 0 ? "success" : "settled",
      ...(tree.size > 3 ? { stagger: minutes(tree.size - 4) } : {})
    }).run({ text: place.text })
  }

  private Hedge(tree: Tree, place: Place): Said {
    return Hedge.after(minutes(1 + tree.size), { calls: 2 })(this.build(tree.kids[0]!, place) as any) as Said
  }

  private Supervisor(tree: Tree, place: Place): Said {
    return Supervisor.make(`team${tree.id}`, {
      agents: [...this.agents(tree, place), this.worker(`spare${tree.id}`, tree.size)] as any,
      strategy: (["OneForOne", "OneForAll", "RestForOne"] as const)[tree.size % 3]!,
      intensity: { restarts: 1, within: "1 hour" },
      onFailure: { Refused: tree.size > 3 ? Directive.restart(Schedule.spaced("1 minute")) : Directive.reroute }
    } as any).run({ text: place.text } as never) as Said
  }

  private Router(tree: Tree, place: Place): Said {
    return Router.make(`router${tree.id}`, {
      routes: Object.fromEntries(this.agents(tree, place).map((agent, index) => [`r${index}`, agent])),
      choose: () => `r${tree.size % tree.kids.length}`
    }).run({ text: place.text })
  }

  private MapReduce(tree: Tree, place: Place): Said {
    return MapReduce.make(`map${tree.id}`, {
      split: ({ text }: { readonly text: string }) => [{ text: `${text}1` }, { text: `${text}2` }],
      map: this.agent(tree.kids[0]!, place),
      reduce: ({ answers }) => answers.join("+"),
      concurrency: 1 + (tree.size % 2)
    }).run({ text: place.text })
  }

  private Fork(tree: Tree, place: Place): Said {
    const step = this.worker(`beside${tree.id}`, tree.size)
    return Effect.gen({ self: this }, function* () {
      const fiber = yield* Effect.forkChild(Step.keyed("forked")(this.build(tree.kids[0]!, place)))
      const joined = Effect.gen(function* () {
        const exit = yield* Effect.exit(step.run({ text: "beside" }))
        return `${yield* Fiber.join(fiber)} ${yield* exit}`
      })
      // A run ends with its program: a child that is not waited for would have no time to undo what it has done.
      return yield* Effect.ensuring(joined, Fiber.interrupt(fiber))
    })
  }

  private ByChance(tree: Tree, place: Place): Said {
    return Effect.flatMap(Step.random, (drawn) => this.build(tree.kids[Math.floor(drawn * tree.kids.length)]!, place))
  }

  private ByTime(tree: Tree, place: Place): Said {
    const now = Run.withCurrent(({ run }) => run.time.now, Effect.succeed(0))
    return Effect.flatMap(now, (time) => this.build(tree.kids[Math.floor(time / 60_000) % tree.kids.length]!, place))
  }
}
