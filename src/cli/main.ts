#!/usr/bin/env node
/** The `tutti` command: finds the verb, reads the command line, and ends with the right exit code. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import Process from "node:process"
import { parseArgs } from "node:util"
import { CliError, sentenceOf, usageError, type Verb } from "./Verb.ts"

/** Each verb is loaded only when it is called: help must be quick. */
const verbs: {
  readonly [name: string]: { readonly summary: string; readonly load: () => Promise<{ readonly verb: Verb }> }
} = {
  audit: {
    summary: "audit a repository as a durable run; resumes one that was killed",
    load: () => import("./Audit.ts")
  },
  runs: { summary: "list the runs in the journal", load: () => import("./Runs.ts") },
  show: { summary: "show one run and its steps", load: () => import("./Show.ts") },
  events: { summary: "print every event of a run", load: () => import("./Events.ts") },
  tail: { summary: "follow a run until it ends", load: () => import("./Tail.ts") },
  approve: { summary: "approve what a run waits for", load: () => import("./Approve.ts") },
  cancel: { summary: "cancel a run; it undoes what it has done", load: () => import("./Cancel.ts") },
  why: { summary: "tell what caused an event, and what it caused", load: () => import("./Why.ts") },
  export: { summary: "write the log to a file that any backend can import", load: () => import("./Export.ts") },
  import: { summary: "bring an exported log into a journal", load: () => import("./Import.ts") }
}

const help = (): string =>
  [
    "tutti: durable orchestration on one file",
    "",
    "Usage: tutti VERB [options]",
    "",
    ...Object.entries(verbs).map(([name, { summary }]) => `  ${name.padEnd(9)}${summary}`),
    "",
    "Every verb takes --db (a file, by default .tutti/journal.db, or a URL of Postgres or Redis) and --help.",
    ""
  ].join("\n")

const parse = (verb: Verb, words: ReadonlyArray<string>) =>
  Effect.try({
    try: () =>
      parseArgs({
        args: [...words],
        options: { ...verb.options, db: { type: "string" }, help: { type: "boolean", short: "h" } },
        allowPositionals: true,
        strict: true
      }),
    catch: (cause) => misused(sentenceOf(cause).split(". ", 1)[0]!, verb)
  })

const misused = (what: string, { usage }: Verb): CliError =>
  usageError(`${what.replace(/\.$/, "")}. Usage: tutti ${usage}`)

const superfluous = (given: ReadonlyArray<string>, { words }: Verb): string => {
  const what = `"${given.slice(words).join(" ")}" is too much`
  return words === 0 ? what : `${what}; put quotes around a name with blanks`
}

const program = (words: ReadonlyArray<string>): Effect.Effect<void, CliError> =>
  Effect.gen(function* () {
    const [name, ...rest] = words
    if (name === undefined || name === "--help" || name === "-h" || name === "help") return yield* print(help())
    const known = Object.hasOwn(verbs, name) ? verbs[name] : undefined
    if (known === undefined) return yield* usageError(`There is no verb "${name}". Try: tutti --help`)
    const { verb } = yield* Effect.promise(known.load)
    const { positionals, values } = yield* parse(verb, rest)
    if (values["help"] === true) return yield* print(`${verb.summary}\n\nUsage: tutti ${verb.usage}\n`)
    if (positionals.length < verb.words) return yield* misused(`${verb.usage.split(" ")[1]} is missing`, verb)
    if (positionals.length > verb.words) return yield* misused(superfluous(positionals, verb), verb)
    yield* verb.run({ options: values as Record<string, string | boolean | undefined>, words: positionals })
  })

const print = (text: string) => Effect.sync(() => void Process.stdout.write(text))

const exitCodeOf = (exit: Exit.Exit<void, CliError>): number => {
  if (Exit.isSuccess(exit)) return 0
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "Some") {
    Process.stderr.write(`tutti: ${error.value.sentence}\n`)
    return error.value.exitCode
  }
  if (Cause.hasInterruptsOnly(exit.cause)) return 130
  Process.stderr.write(`tutti: this is a bug in Tutti.\n${Cause.pretty(exit.cause)}\n`)
  return 70
}

// Node 22 calls its SQLite experimental. That is nothing a person at a terminal can act on.
const warn = Process.emitWarning.bind(Process) as (...args: ReadonlyArray<unknown>) => void
Process.emitWarning = (...args: ReadonlyArray<unknown>) => {
  if (!String(args[0]).startsWith("SQLite is an experimental feature")) warn(...args)
}

// What is asked for goes to standard output, and nothing else: it may be read by a program.
const fiber = Effect.runFork(Effect.provideService(program(Process.argv.slice(2)), References.LogToStderr, true))
// The first signal stops in good order, leaving the run to be resumed; the second one at once.
const stop = () => fiber.interruptUnsafe()
Process.once("SIGINT", stop)
Process.once("SIGTERM", stop)
// A reader that closes the pipe (`| head`) ends us quietly.
Process.stdout.on("error", (error: NodeJS.ErrnoException) => Process.exit(error.code === "EPIPE" ? 0 : 1))
void Effect.runPromise(Fiber.await(fiber)).then((exit) => {
  Process.exitCode = exitCodeOf(exit)
})
