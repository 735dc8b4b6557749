import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { onWallClock } from "../servers/wallClock.ts"
import * as TcpProxy from "./TcpProxy.ts"

/** Answers every byte with itself, and an end with an end. */
const echo = Effect.map(
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on("error", () => socket.destroy())
        socket.pipe(socket)
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void server.close())
  ),
  (server) => (server.address() as AddressInfo).port
)

interface Client {
  readonly socket: Socket
  readonly heard: () => string
  /** How the connection ended: "end", or the code of an error. Undefined: it has not. */
  readonly fate: () => string | undefined
}

const dial = (port: number): Effect.Effect<Client, string> =>
  Effect.callback((resume) => {
    let heard = ""
    let fate: string | undefined
    const socket = connect({ port, host: "127.0.0.1" })
    socket.on("data", (bytes) => (heard += bytes.toString("latin1")))
    socket.on("end", () => (fate ??= "end"))
    socket.on("error", (error: NodeJS.ErrnoException) => {
      fate ??= error.code ?? error.message
      resume(Effect.fail(fate))
    })
    socket.on("connect", () => resume(Effect.succeed({ socket, heard: () => heard, fate: () => fate })))
  })

const eventually = (check: () => boolean) =>
  Effect.repeat(Effect.sync(check), { until: (yes) => yes, schedule: Schedule.spaced("2 millis") }).pipe(
    Effect.timeout("10 seconds"),
    onWallClock
  )

/** Long enough for bytes to pass, if they could. */
const meanwhile = Effect.sleep("50 millis").pipe(onWallClock)

const setUp = Effect.flatMap(echo, TcpProxy.make)

it.effect("T1: it forwards every byte in order, and the end", () =>
  Effect.gen(function* () {
    const proxy = yield* setUp
    const client = yield* dial(proxy.port)
    const text = Array.from({ length: 200_000 }, (_, n) => n).join(" ")
    client.socket.end(text)
    yield* eventually(() => client.fate() !== undefined)
    assert.strictEqual(client.fate(), "end")
    assert.isTrue(client.heard() === text)
    yield* Effect.repeat(proxy.connections, { until: (open) => open === 0 })
  })
)

it.effect("T2: cut resets all connections and counts them; new ones are made", () =>
  Effect.gen(function* () {
    const proxy = yield* setUp
    const clients = yield* Effect.all([dial(proxy.port), dial(proxy.port)])
    for (const { socket } of clients) socket.write("hello")
    yield* eventually(() => clients.every(({ heard }) => heard() === "hello"))
    assert.strictEqual(yield* proxy.cut, 2)
    yield* eventually(() => clients.every(({ fate }) => fate() === "ECONNRESET"))
    yield* Effect.repeat(proxy.connections, { until: (open) => open === 0 })
    const next = yield* dial(proxy.port)
    next.socket.write("again")
    yield* eventually(() => next.heard() === "again")
  })
)

it.effect("T3: it refuses new connections and keeps open ones, until it accepts again", () =>
  Effect.gen(function* () {
    const proxy = yield* setUp
    const client = yield* dial(proxy.port)
    yield* Effect.repeat(proxy.connections, { until: (open) => open === 1 })
    yield* proxy.refuse
    assert.strictEqual(yield* Effect.flip(dial(proxy.port)), "ECONNREFUSED")
    client.socket.write("still")
    yield* eventually(() => client.heard() === "still")
    yield* proxy.accept
    const next = yield* dial(proxy.port)
    next.socket.write("back")
    yield* eventually(() => next.heard() === "back")
  })
)

it.effect("T3, T4: while it swallows, no byte passes and nothing is closed; then all bytes pass", () =>
  Effect.gen(function* () {
    const proxy = yield* setUp
    const client = yield* dial(proxy.port)
    client.socket.write("one ")
    yield* eventually(() => client.heard() === "one ")
    assert.strictEqual(yield* proxy.swallow, 1)
    client.socket.write("two ")
    const late = yield* dial(proxy.port)
    late.socket.write("new ")
    yield* meanwhile
    assert.strictEqual(client.heard(), "one ")
    assert.strictEqual(late.heard(), "")
    assert.isUndefined(client.fate())
    yield* proxy.forward
    yield* eventually(() => client.heard() === "one two " && late.heard() === "new ")
  })
)

it.effect("T1: what is held back keeps its order, also when the delay ends", () =>
  Effect.gen(function* () {
    const proxy = yield* setUp
    const client = yield* dial(proxy.port)
    client.socket.setNoDelay(true)
    yield* proxy.delay(60)
    const began = performance.now()
    client.socket.write("a")
    // The first piece is on its way when the delay ends.
    yield* Effect.sleep("20 millis").pipe(onWallClock)
    yield* proxy.delay(0)
    client.socket.write("b")
    yield* eventually(() => client.heard().length === 2)
    assert.strictEqual(client.heard(), "ab")
    assert.isAtLeast(performance.now() - began, 55)
    assert.deepStrictEqual(yield* proxy.late, { up: 1, down: 0 })
  })
)

it.effect("T5: what is held back is late by so much, both ways, and counted", () =>
  Effect.gen(function* () {
    const proxy = yield* setUp
    const client = yield* dial(proxy.port)
    client.socket.write("a")
    yield* eventually(() => client.heard() === "a")
    assert.deepStrictEqual(yield* proxy.late, { up: 0, down: 0 })
    yield* proxy.delay(30)
    const began = performance.now()
    client.socket.write("b")
    yield* eventually(() => client.heard() === "ab")
    assert.isAtLeast(performance.now() - began, 58)
    assert.deepStrictEqual(yield* proxy.late, { up: 1, down: 1 })
    yield* proxy.delay(0)
    client.socket.write("c")
    yield* eventually(() => client.heard() === "abc")
    assert.deepStrictEqual(yield* proxy.late, { up: 1, down: 1 })
  })
)

it.effect("T3: a server that is down is a connection that breaks", () =>
  Effect.gen(function* () {
    const proxy = yield* Effect.scoped(echo).pipe(Effect.flatMap(TcpProxy.make))
    const fate = yield* Effect.flip(
      Effect.flatMap(dial(proxy.port), (client) =>
        Effect.andThen(
          eventually(() => client.fate() !== undefined),
          Effect.suspend(() => Effect.fail(client.fate()!))
        )
      )
    )
    assert.strictEqual(fate, "ECONNRESET")
  })
)
