/** They prove that the public API is enough for patterns: they use nothing else. */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const read = (path: string) => readFileSync(new URL(`../../src/${path}`, import.meta.url), "utf8")

const index = read("index.ts")

/** Their own files, and those beside them that only they use. */
const own = ["Pipeline", "Router", "MapReduce", "Race", "RaceError", "Debate", "Cascade", "CascadeError", "Part"]

describe("the small patterns", () => {
  for (const name of own) {
    it(`${name} imports only what is exported to all`, () => {
      const source = read(`patterns/${name}.ts`)
      const imports = [...source.matchAll(/from "(\.[^"]+)"/g)].map(([, path]) =>
        path!.startsWith("../") ? path!.replace("../", "./") : path!.replace("./", "./patterns/")
      )
      const foreign = imports.filter((path) => !own.includes(path.replace("./patterns/", "").replace(".ts", "")))
      for (const path of foreign) {
        assert.include(index, `export * as ${/(\w+)\.ts$/.exec(path)![1]} from "${path}"`)
      }
    })

    it(`${name} is small`, () => {
      const code = read(`patterns/${name}.ts`)
        .replace(/\/\*[^]*?\*\//g, "")
        .split("\n")
        .filter((line) => line.trim() !== "")
      assert.isAtMost(code.length, 110)
    })
  }
})
