/** A help desk of small patterns: sorted by a router, answered by a cascade, a race, a map-reduce, a pipeline. */
import { Effect, Schema } from "effect"
import { Agent, Cascade, MapReduce, Pipeline, Race, Router, Task } from "tutti"

const Answer = Task.make("Answer", { input: { text: Schema.String }, output: Schema.String })

// #region desk
const desk = (name: string, answer: (text: string) => Effect.Effect<string>) =>
  Agent.make(name, { task: Answer, run: ({ text }) => answer(text) })
// #endregion

// #region pipeline
const translate = desk("translate", (text) => Effect.succeed(text.replace("Hilfe", "help")))
const shorten = desk("shorten", (text) => Effect.succeed(text.split(" ")[0]!))
const headline = Pipeline.make("headline", [translate, Agent.mapInput(shorten, (text: string) => ({ text }))])
// #endregion

// #region map-reduce
const summary = MapReduce.make("summary", {
  split: ({ text }: { readonly text: string }) => text.split("; ").map((text) => ({ text })),
  map: headline,
  reduce: ({ answers }) => answers.join(", "),
  concurrency: 4
})
// #endregion

// #region race
const europe = desk("europe", () => Effect.never)
const asia = desk("asia", () => Effect.succeed("Asia is up."))
const status = Race.make("status", { agents: [europe, asia], stagger: "5 millis" })
// #endregion

// #region cascade
const small = desk("small", (text) => Effect.succeed(text.length > 20 ? "I think so." : "Yes, certainly."))
const large = desk("large", () => Effect.succeed("No: see chapter 7."))
const answer = Cascade.make("answer", { tiers: [small, large], accept: ({ answer }) => !answer.includes("think") })
// #endregion

// #region router
const help = Router.make("help", {
  routes: { list: summary, status, question: answer },
  // Leave a route out, or misspell one, and this does not compile.
  choose: ({ text }) => (text.includes(";") ? "list" : text.startsWith("status") ? "status" : "question")
})
// #endregion

const calls = ["Hilfe wanted; printer broken", "status", "Is it on?", "May I feed it after midnight?"]

export const program = Effect.forEach(calls, (text) => help.run({ text }))

export const expected = ["help, printer", "Asia is up.", "Yes, certainly.", "No: see chapter 7."]

if (import.meta.main) console.log((await Effect.runPromise(program)).join("\n"))
