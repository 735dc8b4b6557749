/** Faults for `FaultStore` that tests of engines share. */
import { Deferred, Effect } from "effect"
import type { FaultStore } from "../../src/testing/index.ts"

export const noFault: FaultStore.Fault = () => (mutation) => mutation

/** Holds every mutation whose name contains the text until it is released. */
export const holding = Effect.fnUntraced(function* (text: string) {
  const reached = yield* Deferred.make<void>()
  const released = yield* Deferred.make<void>()
  const fault: FaultStore.Fault = (name) => (mutation) =>
    name.includes(text)
      ? Deferred.succeed(reached, undefined).pipe(Effect.andThen(Deferred.await(released)), Effect.andThen(mutation))
      : mutation
  return { fault, reached: Deferred.await(reached), release: Deferred.succeed(released, undefined) }
})
