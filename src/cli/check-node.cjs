// Written in the JavaScript of 2015, because old Node versions must run this check too.
// The versions are those of `engines` in package.json.
const [major, minor] = process.versions.node.split('.').map(Number)
if (!(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19))) {
  process.stderr.write(
    '✖ T-minus needs Node.js 20.19 or newer (of Node 22: 22.12 or newer; not Node 21), ' +
      `and this is ${process.versions.node} (${process.execPath}). Install one from https://nodejs.org or with your package manager\n`,
  )
  process.exit(2)
}
