// What becomes of a program in Node.js that is careless with its nodes.
const assert = require('node:assert')
const { setMaxListeners } = require('node:events')
const fs = require('node:fs/promises')
const { setTimeout: sleep } = require('node:timers/promises')
const koffi = require('koffi')
const { Files, Node } = require('at-once')

const node = (name) => new Node(name, { interfaces: '127.0.0.1', beaconPort: 25672 })
const within = (promise, what) => Promise.race([promise, sleep(5000, undefined, { ref: false }).then(() => assert.fail(`${what}: not over after 5 s`))])
async function iterate (node) { for await (const _ of node) assert(_.type) }

async function main () {
  const nodes = Array.from({ length: 8 }, (_, i) => node(`n${i}`))
  for (const one of nodes) await one.start()
  const { peer } = await nodes[0].recv()
  const abort = new AbortController()
  setMaxListeners(64, abort.signal)
  const offers = nodes.map((one) => new Files(one).nextOffer(abort))
  const answers = nodes.filter((one) => one.uuid !== peer.uuid).map(async (one) => {
    while (!one.peers().some(({ uuid }) => uuid === peer.uuid)) await sleep(10)
    return await one.ask(peer, 'which nobody answers', abort)
  })
  const all = Promise.all(nodes.map(iterate))
  await sleep(500)
  await within(fs.readFile(__filename), 'files while eight nodes wait')
  console.log('files are read while eight nodes wait for answers, events and offers: ok')
  const ends = [...answers, ...offers].map((wait) => assert.rejects(wait, { name: 'AbortError' }))
  abort.abort()
  await within(Promise.all(ends), 'what is aborted')
  await assert.rejects(nodes[0].ask(peer, 'x', { timeout: 50 }), { code: 'NO_ANSWER' })
  console.log('what is aborted ends: ok')
  const usleep = koffi.load('libc.so.6').func('int usleep(unsigned int)')
  let asleep = 0
  assert.throws(() => { for (; asleep < 10000; asleep++) usleep.async(20000, () => asleep--) }, /Too many/)
  await within(assert.rejects(nodes[0].ask(peer, 'x', { timeout: 50 }), { code: 'NO_ANSWER' }), 'an ask while koffi has no room')
  while (asleep > 0) await sleep(10)
  console.log('a program may call as much by koffi as it runs: ok')
  await assert.rejects(nodes[0].recv({ timeout: 10 }), { code: 'BUSY' })
  await within(Promise.all(nodes.map((one) => one.close())), 'close')
  await within(all, 'the events of what is closed')
  console.log('events end when their nodes are closed: ok')
  for (const content of [null, 5, new Uint16Array(3), [undefined]]) {
    await assert.rejects(async () => node('x').whisper('00000000-0000-4000-8000-000000000000', content), TypeError)
  }
  console.log('content that is none is a TypeError: ok')
  for (let i = 0; i < 1500; i++) node('forgotten')
  for (let i = 0; i < 5; i++) {
    global.gc()
    await sleep(100)
  }
  console.log('very many nodes are forgotten at a time: ok')
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
