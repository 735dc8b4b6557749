/**
 * A TCP proxy in front of a server, with which a test disturbs the network between a client and that server.
 *
 *   T1. Undisturbed, it forwards every byte in both directions, in order, and passes on that a side has ended.
 *   T2. `cut` resets every connection at once and says how many there were. New ones may be made.
 *   T3. While it refuses, a new connection fails at once; while it swallows, connections stay open and no byte passes.
 *   T4. What was swallowed is not lost: it passes when forwarding goes on, as after a healed network.
 *   T5. What it holds back arrives no sooner than it was told to, and is counted.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { setTimeout } from "node:timers/promises"

export interface TcpProxy {
  readonly port: number
  /** Connections that are open now. */
  readonly connections: Effect.Effect<number>
  /** Resets all connections. Returns how many there were, so that a test can see that it met some. */
  readonly cut: Effect.Effect<number>
  /** Closes the door: new connections are refused until `accept`. Open ones live on. */
  readonly refuse: Effect.Effect<void>
  readonly accept: Effect.Effect<void>
  /** Half-open: takes no byte from either side, and closes nothing, until `forward`. Returns how many connections hang. */
  readonly swallow: Effect.Effect<number>
  readonly forward: Effect.Effect<void>
  /** Holds back each piece of data so long in each direction. Order is kept. 0: not at all. */
  readonly delay: (millis: number) => Effect.Effect<void>
  /** Pieces of data that were passed on late. */
  readonly late: Effect.Effect<Late>
}

/** By direction: towards the server, and back. */
export interface Late {
  readonly up: number
  readonly down: number
}

interface Link {
  readonly client: Socket
  readonly server: Socket
}

interface Weather {
  swallowing: boolean
  millis: number
  readonly late: { up: number; down: number }
}

/** Listens on a free port as long as the scope is open, and forwards to `target` on the loopback interface. */
export const make = Effect.fnUntraced(function* (target: number): Effect.fn.Return<TcpProxy, never, Scope.Scope> {
  const links = new Set<Link>()
  const weather: Weather = { swallowing: false, millis: 0, late: { up: 0, down: 0 } }

  const open = (client: Socket) => {
    const link = { client, server: connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true }) }
    links.add(link)
    relay(link, weather, () => links.delete(link))
  }
  const sockets = () => [...links].flatMap(({ client, server }) => [client, server])
  const cut = Effect.sync(() => {
    const met = links.size
    for (const socket of sockets()) socket.resetAndDestroy()
    return met
  })

  let door = yield* listen(0, open)
  const refuse = Effect.sync(() => void door.close())
  yield* Effect.addFinalizer(() => Effect.andThen(refuse, cut))
  const { port } = door.address() as AddressInfo
  return {
    port,
    connections: Effect.sync(() => links.size),
    cut,
    refuse,
    accept: Effect.gen(function* () {
      if (!door.listening) door = yield* listen(port, open)
    }),
    swallow: Effect.sync(() => {
      weather.swallowing = true
      for (const socket of sockets()) socket.pause()
      return links.size
    }),
    forward: Effect.sync(() => {
      weather.swallowing = false
      for (const socket of sockets()) socket.resume()
    }),
    delay: (millis) => Effect.sync(() => void (weather.millis = millis)),
    late: Effect.sync(() => ({ ...weather.late }))
  }
})

const listen = (port: number, open: (client: Socket) => void): Effect.Effect<Server> =>
  Effect.callback((resume) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, open)
    server.listen(port, "127.0.0.1", () => resume(Effect.succeed(server)))
  })

/** Carries data and ends both ways until both sides are closed. */
const relay = ({ client, server }: Link, weather: Weather, ended: () => void) => {
  const carry = (from: Socket, to: Socket, direction: keyof Late) => {
    const late = inOrder(weather, direction)
    from.on("data", (bytes) =>
      late(() => {
        // Back-pressure: what the receiver does not take is not read from the sender.
        if (to.destroyed || to.write(bytes)) return
        from.pause()
        to.once("drain", () => weather.swallowing || from.resume())
      })
    )
    from.on("end", () => late(() => void to.end()))
    from.on("error", () => void to.resetAndDestroy())
    from.on("close", () => {
      if (to.destroyed) ended()
    })
    if (weather.swallowing) from.pause()
  }
  carry(client, server, "up")
  carry(server, client, "down")
}

/** Does things after the delay of the moment, one after another: what comes later never overtakes. */
const inOrder = (weather: Weather, direction: keyof Late) => {
  let waiting = 0
  let last = Promise.resolve()
  return (act: () => void): void => {
    if (waiting === 0 && weather.millis === 0) return act()
    const { millis } = weather
    const due = performance.now() + millis
    waiting++
    last = last.then(async () => {
      // A timer may be early, by less than a millisecond.
      await setTimeout(Math.max(0, Math.ceil(due - performance.now()) + 1))
      waiting--
      if (millis > 0) weather.late[direction]++
      act()
    })
  }
}
