/**
 * Draws a tree of nodes as lines of text.
 *
 * Pure: the same state, size, tick and time give the same lines.
 *
 * Invariants (checked by `test/cli/audit/LiveTree.test.ts`):
 *
 *   D1. No line is wider than `width`, wide characters and all, and none holds
 *       a line break: so a terminal never wraps, and redrawing can count lines.
 *   D2. There are no more than `height` lines. What is folded is counted.
 *   D3. Control characters in names and details are never printed.
 *   D4. Without colour there are no escape sequences.
 */
import {
  endedAt,
  isEnded,
  leaves,
  type NodeState,
  startedAt,
  stateOf,
  type TreeNode,
  type TreeState
} from "./TreeState.ts"

export interface RenderOptions {
  /** Columns. */
  readonly width: number
  /** Rows. Left out: as many as it takes. */
  readonly height?: number
  readonly color: "Ansi" | "None"
  /** Number of the frame: moves the spinner. */
  readonly tick: number
  /** Milliseconds since the Unix epoch. */
  readonly now: number
}

/** The lines of the tree and, below it, the latest notes. */
export const render = (state: TreeState, options: RenderOptions): ReadonlyArray<string> => {
  const height = options.height ?? Number.POSITIVE_INFINITY
  const notes = state.notes.slice(-3).map((note): Line => [{ text: `› ${note}`, style: "dim" }])
  const room = Math.max(1, height - notes.length)
  const lines = [...fit(state.nodes, room, options), ...notes].slice(0, height)
  return lines.map((line) => paint(line, options))
}

/** One line about how it all ended, or how far it is. */
export const summary = (state: TreeState, options: Pick<RenderOptions, "color" | "now" | "width">): string => {
  const work = leaves(state.nodes)
  const amount = (wanted: NodeState) => work.filter((node) => stateOf(node) === wanted).length
  const retried = work.filter((node) => node.attempt > 1).length
  const unfinished = work.filter((node) => !isEnded(stateOf(node))).length
  const parts = [
    ...(["done", "failed", "skipped", "undone"] as const).map((each) => [amount(each), each] as const),
    [retried, "retried"] as const,
    [unfinished, "unfinished"] as const
  ].filter(([number]) => number > 0)
  const verdict: NodeState = amount("failed") > 0 ? "failed" : unfinished > 0 ? "waiting" : "done"
  const starts = state.nodes.flatMap((node) => startedAt(node) ?? [])
  const end = Math.max(...state.nodes.map((node) => endedAt(node) ?? options.now))
  const took = starts.length === 0 ? "" : ` in ${duration(end - Math.min(...starts))}`
  const text = parts.length === 0 ? "nothing to do" : parts.map(([number, each]) => `${number} ${each}`).join(", ")
  return paint([icon(verdict, 0), { text: ` ${text}${took}`, style: "bold" }], options)
}

/** The name of a state's icon, for output that is not redrawn. */
export const symbol = (state: NodeState): string => looks[state].symbol

/** `0.3s`, `12s`, `3m 05s`, `2h 10m`. */
export const duration = (millis: number): string => {
  const seconds = Math.max(0, millis) / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, "0")}s`
  return `${Math.floor(whole / 3600)}h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`
}

/** Columns that a text takes in a terminal: wide characters take two, combining ones none. */
export const columns = (text: string): number => {
  let width = 0
  for (const character of text)
    width += /\p{M}|\p{Default_Ignorable_Code_Point}/u.test(character) ? 0 : wide.test(character) ? 2 : 1
  return width
}

/** Cuts a text to so many columns, with `…` at the end if anything is lost. */
export const truncate = (text: string, width: number): string => {
  if (columns(text) <= width) return text
  if (width < 1) return ""
  let kept = ""
  let used = 0
  for (const character of text) {
    used += columns(character)
    if (used > width - 1) break
    kept += character
  }
  return `${kept}…`
}

type Style = "plain" | "dim" | "bold" | "green" | "red" | "yellow" | "cyan" | "magenta"

interface Span {
  readonly text: string
  readonly style: Style
}

type Line = ReadonlyArray<Span>

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u

const codes: { readonly [style in Style]: string } = {
  plain: "",
  dim: "2",
  bold: "1",
  green: "32",
  red: "31",
  yellow: "33",
  cyan: "36",
  magenta: "35"
}

const looks: { readonly [state in NodeState]: { readonly symbol: string; readonly style: Style } } = {
  waiting: { symbol: "○", style: "dim" },
  running: { symbol: "●", style: "cyan" },
  retrying: { symbol: "↻", style: "yellow" },
  done: { symbol: "✓", style: "green" },
  failed: { symbol: "✗", style: "red" },
  skipped: { symbol: "–", style: "dim" },
  undone: { symbol: "↶", style: "magenta" }
}

const spinner = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]

const icon = (state: NodeState, tick: number): Span =>
  state === "running"
    ? { text: spinner[tick % spinner.length] ?? "●", style: "cyan" }
    : { text: looks[state].symbol, style: looks[state].style }

/** Nothing folded; children of ended nodes; ended children; children that wait as well. */
type Fold = 0 | 1 | 2 | 3

const fit = (nodes: ReadonlyArray<TreeNode>, room: number, options: RenderOptions): ReadonlyArray<Line> => {
  for (const fold of [0, 1, 2, 3] as const) {
    const lines = linesOf(nodes, { prefix: "", depth: 0, fold, options })
    if (lines.length <= room) return lines
    if (fold === 3) return [...lines.slice(0, room - 1), more(lines.length - room + 1)]
  }
  return []
}

const more = (hidden: number): Line => [{ text: `… ${hidden} more lines`, style: "dim" }]

interface Place {
  readonly prefix: string
  readonly depth: number
  readonly fold: Fold
  readonly options: RenderOptions
}

const linesOf = (nodes: ReadonlyArray<TreeNode>, place: Place): ReadonlyArray<Line> => {
  const { depth, fold, options, prefix } = place
  const hidden = nodes.filter((node) => isHidden(node, place))
  const shown = nodes.filter((node) => !isHidden(node, place))
  return [
    ...shown.flatMap((node, index): ReadonlyArray<Line> => {
      const last = index === shown.length - 1 && hidden.length === 0
      const branch = depth === 0 ? "" : last ? "└─ " : "├─ "
      const below = depth === 0 ? "" : last ? "   " : "│  "
      const folded = fold >= 1 && depth > 0 && isEnded(stateOf(node)) && stateOf(node) !== "failed"
      const children = folded ? [] : linesOf(node.children, { ...place, prefix: prefix + below, depth: depth + 1 })
      return [nodeLine(node, prefix + branch, options), ...children]
    }),
    ...(hidden.length === 0 ? [] : [foldedLine(hidden, prefix)])
  ]
}

/** What runs or failed is never folded. */
const isHidden = (node: TreeNode, { depth, fold }: Place): boolean => {
  if (fold < 2 || depth < 2) return false
  const state = stateOf(node)
  if (state === "waiting") return fold >= 3
  return isEnded(state) && state !== "failed"
}

const foldedLine = (hidden: ReadonlyArray<TreeNode>, prefix: string): Line => {
  const states = ["done", "skipped", "undone", "waiting"] as const
  const parts = states.flatMap((state) => {
    const amount = hidden.filter((node) => stateOf(node) === state).length
    return amount === 0 ? [] : [`${looks[state].symbol} ${amount} ${state}`]
  })
  return [{ text: `${prefix}└─ ${parts.join("  ")}`, style: "dim" }]
}

const nodeLine = (node: TreeNode, prefix: string, options: RenderOptions): Line => {
  const state = stateOf(node)
  const started = startedAt(node)
  const time = started === undefined ? "" : `  ${duration((endedAt(node) ?? options.now) - started)}`
  const attempt = node.attempt > 1 ? `  attempt ${node.attempt}` : ""
  const ended = node.children.filter((child) => isEnded(stateOf(child))).length
  const progress = node.children.length > 1 && !isEnded(state) ? `  ${ended}/${node.children.length}` : ""
  return [
    { text: prefix, style: "dim" },
    icon(state, options.tick),
    {
      text: ` ${node.name}`,
      style: state === "waiting" || state === "skipped" ? "dim" : node.children.length > 0 ? "bold" : "plain"
    },
    { text: progress, style: "cyan" },
    { text: time, style: "dim" },
    { text: attempt, style: "yellow" },
    { text: node.detail === "" ? "" : `  ${node.detail}`, style: state === "failed" ? "red" : "dim" }
  ]
}

/** Truncates first and colours afterwards, so an escape sequence is never cut (D1). */
const paint = (line: Line, options: Pick<RenderOptions, "color" | "width">): string => {
  let left = options.width
  let painted = ""
  for (const span of line) {
    const clean = printable(span.text)
    const text = truncate(clean, left)
    left -= columns(text)
    if (text === "") continue
    const code = options.color === "Ansi" ? codes[span.style] : ""
    painted += code === "" ? text : `\u001b[${code}m${text}\u001b[0m`
    if (text !== clean) break
  }
  return painted
}

/** Text that only prints: a line break becomes a space, and what could move the cursor goes (D3). */
export const printable = (text: string): string =>
  text.replace(/[\t\n\r\u2028\u2029]+/g, " ").replace(/\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, "")
