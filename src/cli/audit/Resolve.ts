/**
 * Says which file a relative import leads to, given the files there are.
 */
import * as path from "node:path/posix"
import type { ImportEdge } from "./Imports.ts"

/** What a specifier with the first extension may mean on disk, in order of preference. */
const alternatives: ReadonlyArray<readonly [written: string, onDisk: ReadonlyArray<string>]> = [
  [".js", [".ts", ".tsx", ".jsx", ".d.ts"]],
  [".jsx", [".tsx"]],
  [".mjs", [".mts", ".d.mts"]],
  [".cjs", [".cts", ".d.cts"]]
]
const extensions = [".ts", ".tsx", ".d.ts", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json", ".vue", ".svelte"]

/** The file that an edge leads to; `undefined` if there is none among `files`. */
export const target = (edge: ImportEdge, files: ReadonlySet<string>): string | undefined =>
  candidates(edge).find((candidate) => files.has(candidate))

/** The path that an edge names, before extensions are tried. It may lie outside the root (`../…`). */
export const named = (edge: ImportEdge): string =>
  path.join(path.dirname(edge.from), edge.specifier.replace(/[?#].*$/, ""))

export const isPython = (edge: ImportEdge): boolean => /\.pyi?$/.test(edge.from)

/** Every path that an edge may mean, in order of preference. */
export const candidates = (edge: ImportEdge): ReadonlyArray<string> =>
  isPython(edge) ? pythonCandidates(edge) : javascriptCandidates(named(edge))

const javascriptCandidates = (base: string): ReadonlyArray<string> => {
  const written = alternatives.find(([extension]) => base.endsWith(extension))
  const swapped = written?.[1].map((extension) => base.slice(0, -written[0].length) + extension) ?? []
  return [
    base,
    ...swapped,
    ...extensions.map((extension) => base + extension),
    ...extensions.map((extension) => path.join(base, `index${extension}`))
  ]
}

/** `.a.b` is `a/b.py` beside the file; each further dot is one folder up. */
const pythonCandidates = (edge: ImportEdge): ReadonlyArray<string> => {
  const dots = /^\.+/.exec(edge.specifier)?.[0].length ?? 1
  const folder = path.join(path.dirname(edge.from), ...Array.from({ length: dots - 1 }, () => ".."))
  const module = path.join(folder, edge.specifier.slice(dots).replaceAll(".", "/"))
  // The name may also be a value that the package itself defines.
  return [`${module}.py`, path.join(module, "__init__.py"), path.join(folder, "__init__.py")]
}
