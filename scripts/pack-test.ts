/**
 * Packs the built package, installs it into an empty project as a stranger would, and uses it there. Run after
 * `npm run build`. Counts: `N passed, N failed` is the last line.
 */
import { spawnSync } from "node:child_process"
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import manifest from "../package.json" with { type: "json" }

const root = join(import.meta.dirname, "..")
const project = mkdtempSync(join(tmpdir(), "tutti-consumer-"))
const environment = { ...process.env, PATH: [dirname(process.execPath), process.env["PATH"]].join(delimiter) }

const run = (cwd: string, command: string): string => {
  const { status, stderr, stdout } = spawnSync(command, { cwd, encoding: "utf8", env: environment, shell: true })
  if (status !== 0) throw new Error(`\`${command}\` failed\n${stdout}${stderr}`)
  return stdout
}

const demand = (holds: boolean, sentence: string): void => {
  if (!holds) throw new Error(sentence)
}

interface PackedFile {
  readonly path: string
  readonly size: number
}

const pack = (): ReadonlyArray<PackedFile> => {
  const [packed] = JSON.parse(run(root, `npm pack --json --ignore-scripts --pack-destination "${project}"`))
  return packed.files
}

const allowed = /^(dist|src)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md|MIGRATION_GUIDE\.md)$/

const checkContents = (): void => {
  const stray = files.filter(
    ({ path, size }) => !allowed.test(path) || /\.(test|tst)\.|fixtures/.test(path) || size > 2 ** 20
  )
  demand(stray.length === 0, `the tarball holds ${stray.map(({ path }) => path).join(", ")}`)
  const missing = ["LICENSE", "README.md", "dist/cli/main.js"].filter(
    (wanted) => !files.some(({ path }) => path === wanted)
  )
  demand(missing.length === 0, `the tarball lacks ${missing.join(", ")}`)
}

/** All modules, ours and others', that an entry point loads, as the bundler saw them. */
const reach = (entry: string): ReadonlyArray<string> => {
  const { outputs } = JSON.parse(readFileSync(join(root, "dist/metafile-esm.json"), "utf8"))
  const seen = new Set<string>()
  const visit = (output: string): ReadonlyArray<string> => {
    if (seen.has(output)) return []
    seen.add(output)
    const { imports, inputs } = outputs[output]
    return [
      ...Object.keys(inputs),
      ...imports.flatMap(({ external, path }: { external?: boolean; path: string }) =>
        external === true ? [path] : visit(path)
      )
    ]
  }
  return visit(entry)
}

const checkPurity = (entry: string, forbidden: RegExp): void => {
  const impure = reach(entry).filter((path) => forbidden.test(path))
  demand(impure.length === 0, `${entry} reaches ${impure.join(", ")}`)
}

const install = (): void => {
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }))
  const { effect, typescript } = manifest.devDependencies
  const tarball = `./${manifest.name}-${manifest.version}.tgz`
  run(project, `npm install --prefer-offline --no-audit --no-fund ${tarball} effect@${effect} typescript@${typescript}`)
  const strays = ["node", ".bin/node", "vitest"].filter((name) => existsSync(join(project, "node_modules", name)))
  demand(strays.length === 0, `a consumer receives ${strays.join(", ")}`)
}

const compile = (name: string, module: string, moduleResolution: string): void => {
  const compilerOptions = {
    target: "ES2023",
    // Effect's declarations name types of the web: CryptoKey, JsonWebKey.
    lib: ["ES2023", "DOM", "DOM.Iterable"],
    module,
    moduleResolution,
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    outDir: "out"
  }
  const file = `tsconfig.${name}.json`
  writeFileSync(join(project, file), JSON.stringify({ compilerOptions, files: ["main.ts", "entries.ts"] }))
  run(project, `npx --no-install tsc -p ${file}`)
}

const writeProgram = (): void => {
  copyFileSync(join(root, "test/fixtures/consumer/main.ts"), join(project, "main.ts"))
  const imports = Object.entries(manifest.exports)
    .filter(([, target]) => typeof target !== "string")
    .map(([name], index) => `export * as entry${index} from "${name.replace(".", manifest.name)}"`)
  writeFileSync(join(project, "entries.ts"), imports.join("\n"))
}

const runProgram = (): void => {
  const output = run(project, "node out/main.js")
  demand(output === "Hello, world.\n", `the program printed ${JSON.stringify(output)}`)
  run(project, "node --disable-warning=ExperimentalWarning out/entries.js")
}

const checkBinary = (): void => {
  const output = run(project, "npx --no-install tutti --help")
  demand(output.includes("tutti"), `tutti --help printed ${JSON.stringify(output)}`)
}

let passed = 0
let failed = 0
const test = (name: string, body: () => void): void => {
  try {
    body()
    passed++
    console.log(`ok     ${name}`)
  } catch (error) {
    failed++
    console.log(`FAILED ${name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const files = pack()
test("the tarball holds the package and nothing else", checkContents)
test("the root entry reaches no infrastructure", () =>
  checkPurity("dist/index.js", /^src\/(testing|backends|cli|http)\/|^node:|^ioredis|^@effect\//))
test("tutti/memory reaches no database client", () =>
  checkPurity("dist/backends/Memory.js", /^src\/(testing|cli|http)\/|^node:sqlite|^ioredis|^@effect\//))
test("it installs into an empty project, without a Node of its own", install)
writeProgram()
test("a strict program compiles (NodeNext)", () => compile("nodenext", "NodeNext", "NodeNext"))
test("a strict program compiles (Bundler)", () => compile("bundler", "ESNext", "Bundler"))
test("the program runs, and every entry point loads", runProgram)
test("npx tutti --help runs", checkBinary)
rmSync(project, { recursive: true })

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
