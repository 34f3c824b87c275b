'use strict'
// The driver for Node.js: driver.js FILE SCENARIO ROLE PORT DIRECTORY.

const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const once = require('at-once')

const [file, scenario, role, port, directory] = process.argv.slice(2)
const peers = new Map()
let node, last, answered, lines = 0
let said = ''

function frame (word) {
  const kind = word.slice(0, word.indexOf(':'))
  const value = word.slice(kind.length + 1)
  if (kind === 'fill') return Buffer.alloc(Number(value), Buffer.from(Array.from({ length: 256 }, (_, i) => i * 7 % 256)))
  if (kind === 'long') return Buffer.alloc(Number(value), 'x')
  return Buffer.from(value, kind === 'hex' ? 'hex' : 'utf8')
}

function make (name, more = {}) {
  return new once.Node(name, { interfaces: '127.0.0.1', beaconPort: Number(port), interval: 100, linger: 500, ...more })
}

const identity = (name) => new once.Identity(path.join(directory, name))

function settings (words) {
  const more = {}
  for (const word of words) {
    const [key, value, rest] = word.split('=')
    if (key === 'security') more.security = value
    if (key === 'identity') more.identity = identity(value)
    if (key === 'header') more.headers = { [value]: rest }
    if (key === 'log') more.logger = () => { lines++; throw new Error('a handler that fails') }
  }
  return more
}

function peer (name) {
  if (name === 'self') return node.uuid
  return name === 'nobody' ? '00000000-0000-0000-0000-000000000007' : peers.get(name)
}

async function expect (type, name, ...rest) {
  const frames = rest.filter((word) => word.includes(':')).map(frame)
  const word = rest.find((word) => !word.includes(':'))
  for (;;) {
    const event = await node.recv({ timeout: 30000 })
    peers.set(event.peer.name, event.peer)
    if (event.type !== type || event.peer.name !== name) continue
    last = event
    if (word !== undefined) assert.equal(type === 'exit' ? event.reason : event.group, word)
    assert.equal(event.msg.length, frames.length, 'another number of frames')
    event.msg.forEach((octets, i) => assert(octets.equals(frames[i]), 'a frame is not what was sent'))
    return
  }
}

async function fails (name, words, options) {
  try {
    await run(words, options)
  } catch (error) {
    if (!(error instanceof (name === 'argument' ? RangeError : once.OnceError))) throw error
    assert.equal(error.code, name.toUpperCase().replaceAll('-', '_'), error.message)
    said = error.message
    return
  }
  assert.fail(`${words[0]} did not fail`)
}

async function wrong (argument) {
  const nobody = peer('nobody')
  const [kind, call] = {
    security: [RangeError, () => node.setSecurity('none')],
    port: [RangeError, () => node.setPort(2 ** 70)],
    status: [RangeError, () => node.reply(1n, 2 ** 32, 'x')],
    interval: [RangeError, () => node.setInterval(-1)],
    timeout: [RangeError, () => node.flush({ timeout: -1 })],
    groups: [TypeError, () => make('ben', { groups: 'room' })],
    headers: [TypeError, () => make('ben', { headers: 'city' })],
    group: [TypeError, () => node.join(5)],
    contest: [RangeError, () => node.setContestInGroup('\ud800')],
    peer: [RangeError, () => node.whisper(`${peer('nobody')}x`, 'x')],
    shared: [TypeError, () => node.setShared('no')],
    identity: [TypeError, () => node.setIdentity(node)],
    content: [TypeError, () => node.whisper(nobody, [5])]
  }[argument]
  await assert.rejects(async () => await call(), (error) => {
    said = error.message
    return error instanceof kind
  })
}

function methods () {
  const network = new once.Network(path.join(directory, 'network'))
  network.invite('ben', '', '00000000-0000-0000-0000-000000000000', 1)
  const files = new once.Files(node)
  const objects = [node, node.snapshot(), last, last.peer, once.Node.interfaces()[0], network, network.members()[0]]
  objects.push(identity(''), files, files.offer(last.peer), new once.Server())
  const of = new Map(objects.map((one) => [one.constructor.name, one]))
  for (const line of fs.readFileSync(path.join(path.dirname(file), 'methods.txt'), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [owner, words, kind] = line.split(' ')
    const one = of.get(owner[5].toUpperCase() + owner.slice(6))
    const name = words.replace(/_(.)/g, (_, letter) => letter.toUpperCase())
    assert(name in (kind === 'singleton' ? one.constructor : one), `there is no ${line}`)
    if (kind !== 'get') continue
    try {
      if (typeof one[name] === 'function') one[name]()
    } catch (error) {
      if (!(error instanceof once.OnceError)) throw error
    }
  }
}

async function twice () {
  const abort = new AbortController()
  const waits = [once.Node.prototype.recvBatch, once.Node.prototype.recvBatch].map((call) => call.call(node, { signal: abort.signal }))
  const first = await Promise.race(waits.map((wait) => wait.catch((error) => error)))
  assert.equal(first.code, 'BUSY')
  abort.abort()
  const ends = await Promise.all(waits.map((wait) => wait.catch((error) => error.code ?? error.name)))
  assert(ends.includes('BUSY') && ends.length === 2, String(ends))
}

async function tell (word) {
  console.log(word)
  const input = readline.createInterface({ input: process.stdin })
  await new Promise((resolve) => input.once('line', resolve))
  input.close()
}

async function run ([verb, ...args], options = { timeout: 10000 }) {
  switch (verb) {
    case 'node': node = make(args[0], settings(args.slice(1))); return
    case 'start': return await node.start()
    case 'stop': return await node.stop()
    case 'close': return await node.close()
    case 'flush': return await node.flush(options)
    case 'recv': for (;;) await node.recv(options)
    case 'join': return node.join(args[0].includes(':') ? String(frame(args[0])) : args[0])
    case 'leave': return node.leave(args[0])
    case 'sethead': return node.setHeader(args[0], args[1])
    case 'whisper': return await node.whisper(peer(args[0]), args.slice(1).map(frame))
    case 'nothing': {
      const [to, content] = { peer: [null, 'x'], content: [peer('nobody'), null], frame: [peer('nobody'), [null]] }[args[0]]
      return await assert.rejects(node.whisper(to, content), TypeError)
    }
    case 'ping': return assert(await node.ping(peer(args[0]), options) > 0n)
    case 'methods': return methods()
    case 'wrong': return await wrong(args[0])
    case 'ask': answered = await node.ask(peer(args[0]), args.slice(1).map(frame)); return
    case 'answer':
      assert.equal(answered.status, args[0])
      return assert.deepEqual(answered.msg, args.slice(1).map(frame))
    case 'reply': return await node.reply(last.question, Number(args[0]), args.slice(1).map(frame))
    case 'shout': return await node.shout(args[0], args.slice(1).map(frame))
    case 'second': return await make(args[0], { identity: identity(args[0]) }).start()
    case 'expect': return await expect(...args)
    case 'peers': return assert.equal(node.peers().length, args[0])
    case 'own': return assert.equal(node.ownGroups().length, args[0])
    case 'header': return assert.equal(peers.get(args[0]).header(args[1]), args[2] ?? '')
    case 'protection': return assert.equal(last.protection, args[0])
    case 'text': return assert.equal(node[args[0]], args[1])
    case 'error': return await fails(args[0], args.slice(1), options)
    case 'timeout': return await fails('timed-out', args, { timeout: 100 })
    case 'message': return assert(said.includes(args[0]), said)
    case 'twice': return await twice()
    case 'logged': return assert(lines > 0, 'nothing was logged')
    case 'die': process.kill(process.pid, 'SIGKILL'); return
    case 'kill': case 'stall': case 'awaitstall': return await tell(verb)
  }
  assert.fail(`there is no verb ${verb}`)
}

async function main () {
  let now
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const words = line.split(' ')
    if (words[0] === 'scenario') now = words[1]
    else if (now === scenario && words[0] === role) {
      await run(words.slice(1)).catch((error) => {
        console.error(`${scenario}: ${line}: ${error.stack}`)
        process.exit(1)
      })
    }
  }
  console.log('done')
  process.exit(0)
}

process.on('uncaughtException', (error) => {
  if (error.message !== 'a handler that fails') throw error
})
main()
