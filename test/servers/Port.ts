/** TCP ports: one that is free, and what answers there. */
import * as Effect from "effect/Effect"
import { connect, createServer } from "node:net"

/**
 * A free port on the loopback interface whose number plus 10,000 is free, too: there Redis Cluster has its bus.
 *
 * Below the range from which the system takes ports for clients, so that no client takes it while its server is down, and
 * none that tries again and again to reach it ends up connected to itself.
 */
export const free: Effect.Effect<number> = Effect.repeat(
  Effect.flatMap(
    Effect.sync(() => 10_000 + Math.floor(Math.random() * 12_000)),
    (port) =>
      Effect.map(
        Effect.zipWith(isFree(port), isFree(port + 10_000), (one, other) => one && other),
        (ok) => ({
          port,
          ok
        })
      )
  ),
  { until: ({ ok }) => ok }
).pipe(Effect.map(({ port }) => port))

function isFree(port: number): Effect.Effect<boolean> {
  return Effect.callback((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(true))))
  })
}

/** Sends `question` and answers with the first bytes that come back within a second; `""` if none do. */
export const ask = (port: number, question: string | Uint8Array): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const socket = connect({ port, host: "127.0.0.1" })
    const answer = (text: string) => {
      socket.destroy()
      resume(Effect.succeed(text))
    }
    socket.setTimeout(1000, () => answer(""))
    socket.once("error", () => answer(""))
    socket.once("close", () => answer(""))
    socket.once("data", (bytes) => answer(bytes.toString("latin1")))
    socket.write(question)
    return Effect.sync(() => void socket.destroy())
  })
