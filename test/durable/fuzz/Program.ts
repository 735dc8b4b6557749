/** Makes an orchestration of a tree, and of each child in it. */
import { Context, Effect, Exit, Fiber, Layer, Option, Schedule, Schema } from "effect"
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
import { type Frame, Ledger } from "./Ledger.ts"
import { childrenOf, type Tree } from "./Tree.ts"

export const Ping = Signal.make("ping", { by: Schema.String })
const Judge = Task.make("Judge", { input: { text: Schema.String }, output: Verdict.schema(Schema.String) })

type Said = Effect.Effect<string, any, any>
type Worker = Agent.Agent<{ readonly text: string }, string, any, any>

interface Place {
  readonly ledger: Ledger
  readonly frame: Frame | undefined
  readonly text: string
}

/** Where agents that are made once find the place of the call. */
const CallPlace = Context.Reference<Place | undefined>("fuzz/CallPlace", { defaultValue: () => undefined })

/** What the outside world holds. */
export interface Outside {
  /** Calls by idempotency key that had an effect. */
  readonly calls: Map<string, number>
}

export const program = (tree: Tree) => {
  const outside: Outside = { calls: new Map() }
  const ledgers = new Map<string, Ledger>()
  const began = (text: string, build: (place: Place) => Said): Effect.Effect<string, Refused> =>
    Run.withCurrent(
      ({ run }) =>
        Effect.suspend(() => {
          const ledger = new Ledger()
          ledgers.set(run.runId, ledger)
          const said = build({ ledger, frame: undefined, text })
          return Effect.mapError(said, (error) => new Refused({ what: nameOf(error) })) as Effect.Effect<
            string,
            Refused
          >
        }),
      Effect.die(new Error("outside of every run"))
    )
  const inProcess: InProcess = { supervisors: new Map(), children: new Map() }
  const builder = new Builder(outside, inProcess)
  for (const child of childrenOf(tree)) {
    const orchestration = Orchestration.make(`child${child.id}`, {
      input: { text: Schema.String },
      output: Schema.String,
      error: Refused,
      run: ({ text }) => began(text, (place) => builder.build(child.kids[0]!, place)) as Effect.Effect<string, Refused>
    })
    inProcess.children.set(child.id, orchestration as unknown as Made)
  }
  const orchestration = Orchestration.make("Fuzz", {
    input: {},
    output: Schema.String,
    error: Refused,
    key: () => "one",
    run: () => began("", (place) => builder.build(tree, place))
  })
  const children = [...inProcess.children.values()].map(({ layer }) => layer)
  const layer = Layer.suspend(() => {
    // A process that begins remembers nothing.
    inProcess.supervisors.clear()
    return children.reduce((all, child) => Layer.provideMerge(all, child), orchestration.layer)
  })
  return { orchestration, layer, outside, ledgers }
}

type Made = Orchestration.Orchestration<string, { readonly text: string }, string, any, any>

/** What is made once, and not in each execution. */
interface InProcess {
  /** By the node of the program: they remember restarts. */
  readonly supervisors: Map<number, Worker>
  readonly children: Map<number, Made>
}

const nameOf = (error: any): string => (error._tag === "Refused" ? error.what : error._tag)

const minutes = (size: number) => `${size} minutes` as const

class Builder {
  private readonly outside: Outside
  private readonly inProcess: InProcess

  constructor(outside: Outside, inProcess: InProcess) {
    this.outside = outside
    this.inProcess = inProcess
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
      run: ({ text }: { readonly text: string }) =>
        Effect.flatMap(CallPlace, (called) => this.build(tree, { ...(called ?? place), text }))
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
    const undoing = this.worker(`undo-${name}`, tree.size >> 1, { failsUntil: 1 + (tree.size >> 2) }).pipe(
      Agent.retry(Schedule.spaced("1 minute"))
    )
    return Effect.suspend(() => {
      let debt: ReturnType<Ledger["owe"]> | undefined
      return step.pipe(
        Effect.tap(() => Effect.sync(() => void (debt = ledger.owe(name, frame)))),
        Saga.undo(() => Effect.tap(undoing.run({ text }), () => Effect.sync(() => void debt!.undone++)))
      )
    })
  }

  private Irreversible(tree: Tree, { frame, ledger, text }: Place): Said {
    const step = this.worker(`sent${tree.id}`, tree.size).run({ text })
    if (frame === undefined) return step
    return step.pipe(
      Effect.tap(() => Effect.sync(() => ledger.leave(frame))),
      Saga.irreversible
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
      Saga.transaction(`saga${tree.id}`, { compensate }),
      Effect.onExit((exit) => Effect.sync(() => place.ledger.concluded(`saga${tree.id}`, frame, exit)))
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
    const made = this.inProcess.supervisors.get(tree.id) ?? this.supervisor(tree, place)
    this.inProcess.supervisors.set(tree.id, made)
    return Effect.provideService(made.run({ text: place.text }), CallPlace, place)
  }

  private supervisor(tree: Tree, place: Place): Worker {
    return Supervisor.make(`team${tree.id}`, {
      agents: [...this.agents(tree, place), this.worker(`spare${tree.id}`, tree.size)] as any,
      strategy: (["OneForOne", "OneForAll", "RestForOne"] as const)[tree.size % 3]!,
      intensity: { restarts: 1, within: "1 hour" },
      onFailure: { Refused: tree.size > 3 ? Directive.restart(Schedule.spaced("1 minute")) : Directive.reroute }
    } as any) as unknown as Worker
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

  /** The child is waited for, left to whoever ends first, or never heard of again. */
  private Fork(tree: Tree, place: Place): Said {
    const step = this.worker(`beside${tree.id}`, tree.size)
    return Effect.gen({ self: this }, function* () {
      const fiber = yield* Effect.forkChild(Step.keyed("forked")(this.build(tree.kids[0]!, place)))
      if (tree.size > 5) return yield* step.run({ text: "beside" })
      const joined = Effect.gen(function* () {
        const exit = yield* Effect.exit(step.run({ text: "beside" }))
        return `${yield* Fiber.join(fiber)} ${yield* exit}`
      })
      return yield* tree.size > 2 ? joined : Effect.ensuring(joined, Fiber.interrupt(fiber))
    })
  }

  private Child(tree: Tree, { text }: Place): Said {
    return this.inProcess.children.get(tree.id)!.run({ text })
  }

  private ByChance(tree: Tree, place: Place): Said {
    return Effect.flatMap(Step.random, (drawn) => this.build(tree.kids[Math.floor(drawn * tree.kids.length)]!, place))
  }

  private ByTime(tree: Tree, place: Place): Said {
    const now = Run.withCurrent(({ run }) => run.time.now, Effect.succeed(0))
    return Effect.flatMap(now, (time) => this.build(tree.kids[Math.floor(time / 60_000) % tree.kids.length]!, place))
  }
}
