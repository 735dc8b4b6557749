/** What can happen to a server, and to the way to it. Each fault fails if it did not happen. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Around } from "../durable/sigkill/survives.ts"
import type { TcpProxy } from "../proxy/TcpProxy.ts"
import type { Server } from "../servers/ServerProcess.ts"
import type { Fault } from "./Faults.ts"

const notHappened = (what: string) => Effect.fail(new Error(`the fault did not happen: ${what}`))

const silent = (server: Server) =>
  Effect.flatMap(server.answers, (answers) => (answers ? notHappened("the server still answers") : Effect.void))

/** `kill -9`, and started again on the same data. */
export const killed = (server: Server): Fault => ({
  name: "the server is killed",
  strike: Effect.andThen(server.kill, silent(server)),
  heal: server.start,
  stopsWrites: true
})

/** The server that answers in the end is none that answered before. */
const anew = (server: Server, restart: Effect.Effect<void, Error>): Effect.Effect<void, Error> =>
  Effect.gen(function* () {
    const before = yield* server.incarnation
    yield* restart
    if ((yield* server.incarnation) === before) yield* notHappened("the server is the one that was there before")
  })

/** `kill -9`, and started again at once. */
export const restarted = (server: Server): Fault => ({
  name: "the server is restarted",
  strike: anew(server, Effect.andThen(server.kill, server.start)),
  heal: Effect.void,
  lasts: "100 millis",
  stopsWrites: false
})

/** The server dies first; it is back when the process is gone. */
export const deadServerFirst =
  (server: Server): Around =>
  (kill) =>
    Effect.andThen(Effect.andThen(server.kill, silent(server)), Effect.andThen(kill, server.start))

/** The process dies, and before anybody can miss it, so does the server. */
export const deadServerNext =
  (server: Server): Around =>
  (kill) =>
    anew(server, Effect.andThen(kill, Effect.andThen(server.kill, server.start)))

/** Longer than the client is ready to wait for an answer. */
const longerThanPatience = "4 seconds"

/** SIGSTOP: connections stay, answers do not come. */
export const frozen = (server: Server): Fault => ({
  name: "the server is frozen",
  strike: Effect.andThen(server.freeze, silent(server)),
  heal: server.thaw,
  lasts: longerThanPatience,
  stopsWrites: true
})

const someCut = (proxy: TcpProxy) =>
  Effect.flatMap(proxy.cut, (met) => (met > 0 ? Effect.void : notHappened("there was no connection to cut")))

/** All connections are reset; new ones are welcome. */
export const cut = (proxy: TcpProxy): Fault => ({
  name: "connections are cut",
  strike: someCut(proxy),
  heal: Effect.void,
  lasts: "100 millis",
  stopsWrites: false
})

/** All connections are reset, and new ones refused. */
export const unreachable = (proxy: TcpProxy): Fault => ({
  name: "the server cannot be reached",
  strike: Effect.andThen(proxy.refuse, someCut(proxy)),
  heal: proxy.accept,
  stopsWrites: true
})

/** Half-open: bytes vanish and nobody is told. In the end the network forgets the connections that were open. */
export const halfOpen = (proxy: TcpProxy): Fault => ({
  name: "connections are half-open",
  strike: Effect.flatMap(proxy.swallow, (met) => (met > 0 ? Effect.void : notHappened("there was no connection"))),
  heal: Effect.andThen(proxy.cut, proxy.forward),
  lasts: longerThanPatience,
  stopsWrites: true
})

/** As half-open, and then everything that was held back arrives after all. */
export const stalled = (proxy: TcpProxy): Fault => ({
  ...halfOpen(proxy),
  name: "the network stalls",
  heal: proxy.forward
})

/** A slow network for a while. What passes is late, in both directions. */
export const slow = (proxy: TcpProxy): Fault => {
  let before = { up: 0, down: 0 }
  const isSlow = Effect.flatMap(proxy.late, ({ down, up }) =>
    up > before.up && down > before.down ? Effect.void : notHappened("nothing was held back")
  )
  return {
    name: "the network is slow",
    strike: Effect.andThen(
      Effect.map(proxy.late, (late) => void (before = late)),
      proxy.delay(30)
    ),
    heal: Effect.andThen(proxy.delay(0), isSlow),
    stopsWrites: false
  }
}

/** Asks until the answer is yes, for at most a minute. */
export const eventually = <E, R>(what: string, check: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(check, { until: (yes) => yes, schedule: Schedule.spaced("10 millis") }).pipe(
    Effect.timeoutOrElse({ duration: "60 seconds", orElse: () => notHappened(what) }),
    Effect.asVoid
  )
