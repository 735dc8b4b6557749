import { defineConfig } from "tsup"
import manifest from "./package.json" with { type: "json" }

/** Every entry point of package.json, and the binary: `src/backends/Memory.ts` becomes `dist/backends/Memory.js`. */
const sources = Object.values(manifest.exports).flatMap((target) =>
  typeof target === "string" ? [] : [target["tutti-source"]]
)
const entry = Object.fromEntries(
  [...sources, "./src/cli/main.ts"].map((source) => [source.replace(/^\.\/src\/|\.ts$/g, ""), source])
)

export default defineConfig({
  entry,
  format: "esm",
  target: "node22",
  platform: "node",
  splitting: true,
  sourcemap: true,
  clean: true,
  // The pack test reads from it what each entry point reaches.
  metafile: true,
  skipNodeModulesBundle: true,
  // `node:sqlite` exists only under its full name.
  removeNodeProtocol: false,
  // TypeScript 7 has no compiler API for the bundler: `tsc -p tsconfig.build.json` writes the declarations.
  dts: false
})
