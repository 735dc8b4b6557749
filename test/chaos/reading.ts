/** A durable subscriber that writes down what it handles: `<pid> <stream>@<version>`, a line that survives its process. */
import * as Effect from "effect/Effect"
import { appendFileSync } from "node:fs"
import * as Subscriber from "../../src/events/Subscriber.ts"
import type { Place } from "../durable/sigkill/place.ts"

export const streamPrefix = "told/"

export interface Settings {
  readonly place: Place
  readonly sideFile: string
}

export const reading = (sideFile: string) =>
  Subscriber.make("reading", {
    streamPrefix,
    lease: "2 seconds",
    handler: ({ stream, version }) =>
      Effect.sync(() => appendFileSync(sideFile, `${process.pid} ${stream}@${version}\n`))
  })
