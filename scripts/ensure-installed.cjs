/**
 * Makes a clone ready to run, then runs a program if one is named:
 *
 *     node scripts/ensure-installed.cjs
 *     node scripts/ensure-installed.cjs src/cli/main.ts audit
 *
 * Runs `npm ci` when node_modules does not hold what package-lock.json asks for. The program runs on the Node that is
 * pinned as a devDependency, with TypeScript sources and without a build.
 *
 * This file must load on any Node, however old, to say what is missing: so CommonJS, ES5, and no dependency.
 */
"use strict"

var childProcess = require("child_process")
var fs = require("fs")
var path = require("path")

var root = path.join(__dirname, "..")
var flags = ["--conditions=tutti-source", "--disable-warning=ExperimentalWarning"]

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, file), "utf8"))
  } catch (_) {
    return undefined
  }
}

function isAtLeast(version, minimum) {
  var found = version.replace("v", "").split(".").map(Number)
  var wanted = minimum.split(".").map(Number)
  return found[0] > wanted[0] || (found[0] === wanted[0] && found[1] >= (wanted[1] || 0))
}

function stop(sentence) {
  console.error(sentence)
  process.exit(1)
}

/** npm records what it installed in a lock file of its own, without the optional packages of other platforms. */
function isInstalled() {
  var wanted = readJson("package-lock.json")
  var installed = readJson("node_modules/.package-lock.json")
  if (!wanted) stop("package-lock.json is missing or damaged: restore it from version control.")
  if (!installed) return false
  return Object.keys(wanted.packages).every(function (name) {
    var want = wanted.packages[name]
    var have = installed.packages[name]
    if (name === "") return true
    return have ? have.version === want.version && have.integrity === want.integrity : Boolean(want.optional)
  })
}

function install() {
  console.error("Installing the locked dependencies with `npm ci` (once; about 20 seconds) ...")
  // npm itself must not run on a Node that it is about to replace.
  var bin = path.join(root, "node_modules", ".bin")
  var key = Object.keys(process.env).find(function (name) {
    return name.toUpperCase() === "PATH"
  })
  var env = Object.assign({}, process.env)
  env[key] = env[key]
    .split(path.delimiter)
    .filter(function (folder) {
      return folder !== bin
    })
    .join(path.delimiter)
  var result = childProcess.spawnSync("npm ci --loglevel=error --no-fund --no-audit", {
    cwd: root,
    env: env,
    shell: true,
    stdio: ["ignore", "ignore", "inherit"]
  })
  if (result.status !== 0) stop("`npm ci` failed; its messages are above.")
}

/** The pinned Node, or the current one where it is new enough. */
function findNode() {
  var minimum = readJson("package.json").engines.node.replace(">=", "")
  var name = process.platform === "win32" ? "node.exe" : "node"
  var pinned = path.join(root, "node_modules", "node", "bin", name)
  if (fs.existsSync(pinned)) return pinned
  if (isAtLeast(process.version, minimum)) return process.execPath
  return stop(
    "Tutti needs Node " +
      minimum +
      " or newer, and this is Node " +
      process.version +
      ". Its own Node is not in " +
      "node_modules: run `npm ci` without --ignore-scripts, or install a newer Node."
  )
}

function run(node, args) {
  var child = childProcess.spawn(node, flags.concat(args), { stdio: "inherit" })
  // The child decides when an interrupted program has ended.
  ;["SIGINT", "SIGTERM", "SIGHUP"].forEach(function (signal) {
    process.on(signal, function () {
      if (signal !== "SIGINT") child.kill(signal)
    })
  })
  child.on("exit", function (code, signal) {
    process.exit(signal ? 1 : code)
  })
}

if (!isAtLeast(process.version, "18.0")) {
  stop("Tutti needs Node 18 or newer to install its dependencies, and this is Node " + process.version + ".")
}
if (!isInstalled()) install()
var node = findNode()
if (process.argv.length > 2) run(node, process.argv.slice(2))
