/**
 * Shows a stream of events in a terminal while something runs.
 *
 * On a terminal the tree is redrawn in place; elsewhere, or with `NO_COLOR`,
 * each change is one plain line.
 *
 * Invariants (checked by `test/cli/audit/LiveView.test.ts`):
 *
 *   W1. However it ends (success, failure, interruption), the last frame is
 *       drawn and the cursor is visible again.
 *   W2. A frame is one write, and only if something changed: so nothing flickers.
 *   W3. Without a terminal there are no escape sequences.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { duration, printable, render, summary, symbol } from "./LiveTree.ts"
import { empty, find, reduce, stateOf, type TreeState, type ViewEvent } from "./TreeState.ts"

/** Where the view is shown. */
export class Screen extends Context.Service<
  Screen,
  {
    /** `Live`: the cursor can be moved. */
    readonly mode: "Live" | "Plain"
    /** Asked before each frame: a window can be resized. */
    readonly size: Effect.Effect<{ readonly columns: number; readonly rows: number }>
    readonly write: (text: string) => Effect.Effect<void>
  }
>()("tutti/cli/Screen") {}

/** Standard output. */
export const layerNode: Layer.Layer<Screen> = Layer.sync(Screen, () => {
  const { env, stdout } = process
  const plain = stdout.isTTY !== true || (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb"
  // Never taken off again: the error of the last write comes after the view has ended.
  if (!stdout.listeners("error").includes(ignoreError)) stdout.on("error", ignoreError)
  return Screen.of({
    mode: plain ? "Plain" : "Live",
    // A terminal that was never given a size says 0.
    size: Effect.sync(() => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 })),
    write: (text) =>
      Effect.callback((resume) => {
        stdout.write(text, () => resume(Effect.void))
      })
  })
})

/** A reader that went away (`| head`) must not stop the work that is shown. */
const ignoreError = (): void => {}

export interface ShowOptions {
  /** Between two frames. Default 80 milliseconds. */
  readonly interval?: Duration.Input
}

/**
 * Shows events until the stream ends, then a summary, and returns the last state.
 *
 * **Gotchas** Interruption by a signal is up to the caller: a process that is
 * killed outright leaves the cursor hidden.
 */
export const show = Effect.fnUntraced(function* <E, R>(
  events: Stream.Stream<ViewEvent, E, R>,
  options?: ShowOptions
): Effect.fn.Return<TreeState, E, R | Screen> {
  const screen = yield* Screen
  return yield* screen.mode === "Live" ? showLive(events, options?.interval ?? "80 millis") : showPlain(events)
})

const hideCursor = "\u001b[?25l"
const showCursor = "\u001b[?25h"

/** The driver's own state: one fiber draws at a time, so plain fields are enough. */
interface Frame {
  state: TreeState
  lines: ReadonlyArray<string>
  tick: number
}

const showLive = Effect.fnUntraced(function* <E, R>(
  events: Stream.Stream<ViewEvent, E, R>,
  interval: Duration.Input
): Effect.fn.Return<TreeState, E, R | Screen> {
  const screen = yield* Screen
  const frame: Frame = { state: empty, lines: [], tick: 0 }
  const ticking = Effect.sync(() => void frame.tick++).pipe(
    Effect.andThen(draw(frame, "Window")),
    Effect.delay(interval),
    Effect.forever
  )
  const reading = Stream.runForEach(events, (event) =>
    Effect.sync(() => {
      frame.state = reduce(frame.state, event)
    })
  )
  yield* screen
    .write(hideCursor)
    .pipe(
      Effect.andThen(Effect.raceFirst(reading, ticking)),
      Effect.ensuring(Effect.andThen(draw(frame, "Whole"), finish(frame)))
    )
  return frame.state
})

/** Moves up over the last frame and writes the next over it; each line clears its own rest. */
const draw = Effect.fnUntraced(
  function* (frame: Frame, extent: "Window" | "Whole"): Effect.fn.Return<void, never, Screen> {
    const screen = yield* Screen
    const { columns, rows } = yield* screen.size
    const now = yield* Clock.currentTimeMillis
    const lines = render(frame.state, {
      width: Math.max(1, columns - 1),
      // The cursor rests on the line below the frame. The last frame may scroll: nothing is drawn over it.
      ...(extent === "Window" ? { height: Math.max(1, rows - 1) } : {}),
      color: "Ansi",
      tick: frame.tick,
      now
    })
    if (lines.length === frame.lines.length && lines.every((line, index) => line === frame.lines[index])) return
    const up = frame.lines.length === 0 ? "" : `\u001b[${frame.lines.length}A`
    const rest = lines.length < frame.lines.length ? "\u001b[J" : ""
    yield* screen.write(`${up}\r${lines.map((line) => `${line}\u001b[K\n`).join("")}${rest}`)
    frame.lines = lines
  },
  // What is on the screen and what we believe is there must not part.
  Effect.uninterruptible
)

const finish = Effect.fnUntraced(function* (frame: Frame): Effect.fn.Return<void, never, Screen> {
  const screen = yield* Screen
  const { columns } = yield* screen.size
  const now = yield* Clock.currentTimeMillis
  yield* screen.write(`${summary(frame.state, { color: "Ansi", now, width: Math.max(1, columns - 1) })}\n${showCursor}`)
})

const showPlain = Effect.fnUntraced(function* <E, R>(
  events: Stream.Stream<ViewEvent, E, R>
): Effect.fn.Return<TreeState, E, R | Screen> {
  const screen = yield* Screen
  let state = empty
  const sum = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    screen.write(`${summary(state, { color: "None", now, width: Number.POSITIVE_INFINITY })}\n`)
  )
  yield* Stream.runForEach(events, (event) => {
    const before = state
    state = reduce(state, event)
    const line = plainLine(before, state, event)
    return line === undefined ? Effect.void : screen.write(`${line}\n`)
  }).pipe(Effect.ensuring(Effect.suspend(() => sum)))
  return state
})

/** One line about a change; nothing if the event changed nothing worth a line. */
export const plainLine = (before: TreeState, after: TreeState, event: ViewEvent): string | undefined => {
  if (event._tag === "Note") return printable(`› ${event.text}`)
  if (event._tag === "NodePlanned" || event._tag === "NodeProgressed") return undefined
  const node = find(after, event.path)
  if (node === undefined || node === find(before, event.path)) return undefined
  const took = node.ended === undefined || node.started === undefined ? "" : ` (${duration(node.ended - node.started)})`
  const attempt = node.attempt > 1 && node.ended === undefined ? ` attempt ${node.attempt}` : ""
  const detail = node.detail === "" ? "" : `: ${node.detail}`
  return printable(`${symbol(stateOf(node))} ${node.path}${attempt}${took}${detail}`)
}
