'use strict'
// What signals do in a program for Node.js that has a node, and so Go's runtime, inside.
// Each test is a program of its own, as some of them end it.

const { spawnSync } = require('node:child_process')

const begin = `
const fs = require('node:fs')
const { spawnSync } = require('node:child_process')
const seen = []
process.on('SIGUSR2', (name) => seen.push(name)) // before the library comes
const { Node } = require('at-once')
const make = (name) => new Node(name, { interfaces: '127.0.0.1', beaconPort: 25671 })
const node = make('ana')
const other = make('ben')
const turn = () => new Promise(setImmediate)
async function main () {
  await node.start()
  await other.start()
`
const end = `
  process.exit(0)
}
main()
`

// A program, how it must end, and what it must say.
const tests = {
  'handlers run while messages flow, those set before the library came and after': [`
  process.on('SIGINT', (name) => seen.push(name))
  let peer
  for await (const event of node) {
    peer = event.peer
    if (event.type === 'enter') break
  }
  for (let i = 0; i < 1000; i++) {
    process.kill(process.pid, i % 2 ? 'SIGINT' : 'SIGUSR2')
    await node.whisper(peer, 'x')
    while (seen.length <= i) await turn()
  }
  await node.flush({ timeout: 10000 })
  console.log(seen.length, seen.filter((name) => name === 'SIGINT').length)`, 0, '1000 500'],
  'a handler runs while the program waits for events': [`
  while (node.peers().length === 0) await turn()
  const wait = (async () => { for await (const event of node) if (event.type === 'exit') break })()
  process.on('SIGTERM', async () => {
    await other.close()
    await wait
    console.log('closed')
    process.exit(0)
  })
  process.kill(process.pid, 'SIGTERM')
  await new Promise((resolve) => setTimeout(resolve, 30000))`, 0, 'closed'],
  'SIGTERM ends the program, as it does without the library': [`
  process.kill(process.pid, 'SIGTERM')
  await new Promise((resolve) => setTimeout(resolve, 30000))`, 'SIGTERM', ''],
  'SIGINT does, too': [`
  process.kill(process.pid, 'SIGINT')
  await new Promise((resolve) => setTimeout(resolve, 30000))`, 'SIGINT', ''],
  'a broken pipe is an error': [`
  spawnSync('mkfifo', ['pipe'])
  const reader = fs.openSync('pipe', fs.constants.O_RDWR)
  const writer = fs.openSync('pipe', fs.constants.O_WRONLY)
  fs.closeSync(reader)
  try {
    fs.writeSync(writer, 'x')
  } catch (error) {
    console.log(error.code)
  }`, 0, 'EPIPE'],
  'children are waited for': [`
  for (let i = 0; i < 20; i++) {
    if (spawnSync('true').status !== 0 || spawnSync('false').status !== 1) throw new Error('another status')
  }
  console.log('waited')`, 0, 'waited'],
  'code that V8 compiles goes on to trap what is out of bounds': [`
  const page = Buffer.from('AGFzbQEAAAABBgFgAX8BfwMCAQAFAwEAAQcFAQFmAAAKCQEHACAAKAIACw==', 'base64')
  const { exports } = (await WebAssembly.instantiate(page)).instance
  let traps = 0
  for (let i = 0; i < 100000; i++) {
    exports.f(0)
    if (i % 100 === 0) try { exports.f(1 << 30) } catch (error) { traps += error instanceof WebAssembly.RuntimeError }
  }
  console.log(traps)`, 0, '1000']
}

let failed = 0
for (const [name, [program, how, said]] of Object.entries(tests)) {
  const done = spawnSync(process.execPath, ['-e', begin + program + end], { encoding: 'utf8', timeout: 60000, killSignal: 'SIGKILL' })
  const right = (done.signal ?? done.status) === how && done.stdout.includes(said)
  console.log(`${name}: ${right ? 'ok' : `ended with ${done.signal ?? done.status}, which must be ${how}, and said ${(done.stdout + done.stderr).slice(-1500)}`}`)
  failed += right ? 0 : 1
}
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`)
process.exitCode = failed ? 1 : 0
