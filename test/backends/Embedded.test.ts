/** What is particular to the deployment on one file. */
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, Layer } from "effect"
import { existsSync } from "node:fs"
import * as Embedded from "../../src/backends/Embedded.ts"
import { EventStore } from "../../src/event-store/EventStore.ts"
import { StreamId } from "../../src/event-store/Envelope.ts"
import { temporaryFile } from "../backends.ts"

it.effect("layerConfig: the file comes from the configuration", () =>
  Effect.gen(function* () {
    const file = yield* temporaryFile
    const config = (entries: object) =>
      Layer.provide(Embedded.layerConfig(), ConfigProvider.layer(ConfigProvider.fromUnknown(entries)))
    const append = EventStore.use((store) => store.append(StreamId.make("s"), [{ type: "A", data: 1 }], 0))
    yield* Effect.provide(append, config({ TUTTI_SQLITE_FILE: file }))
    assert.isTrue(existsSync(file))
    for (const wrong of [{}, { TUTTI_SQLITE_FILE: "" }]) {
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.provide(append, config(wrong)))))
    }
  })
)
