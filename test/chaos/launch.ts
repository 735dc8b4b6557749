/** The main program of a member. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"

const tell = (message: object) => void process.stdout.write(`${JSON.stringify(message)}\n`)

export const say = (message: object) => Effect.sync(() => tell(message))

/**
 * Runs a program beside its worker until SIGTERM, as `docs/how-to/many-processes.md` has it: nothing calls
 * `process.exit`, so the process lives as long as anything is left open.
 */
export const launch = <E, R, E2>(program: Effect.Effect<void, E, R>, worker: Layer.Layer<R, E2>): void => {
  const beside = program.pipe(
    Effect.tapCause((cause) => (Cause.hasInterruptsOnly(cause) ? Effect.void : say({ failed: Cause.pretty(cause) }))),
    Effect.forkScoped
  )
  const fiber = Effect.runFork(Layer.launch(Layer.provide(Layer.effectDiscard(beside), worker)))
  process.once("SIGTERM", () => fiber.interruptUnsafe())
  fiber.addObserver((exit) =>
    tell({
      closed: Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause) ? Cause.pretty(exit.cause) : "interrupted"
    })
  )
}
