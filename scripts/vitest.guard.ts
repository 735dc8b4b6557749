/** `./node_modules/.bin/vitest` runs on whatever Node comes first in PATH, and would pass on one that is too old. */
export default () => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  if (major < 22 || (major === 22 && minor < 19)) {
    throw new Error(
      `The tests need Node 22.19 or newer, and this is Node ${process.versions.node}: run them with \`npm test\`, which brings its own.`
    )
  }
}
